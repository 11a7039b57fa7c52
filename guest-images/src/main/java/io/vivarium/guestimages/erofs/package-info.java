/// Read-only root file systems: EROFS images.
package io.vivarium.guestimages.erofs;

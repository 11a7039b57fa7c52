/// Root file systems that come as tar archives.
package io.vivarium.guestimages.tar;

/// Reading tar archives into root file systems.
package io.vivarium.guestimages.tar;

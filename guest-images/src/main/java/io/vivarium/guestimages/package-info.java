/// What runs inside a microVM.
package io.vivarium.guestimages;

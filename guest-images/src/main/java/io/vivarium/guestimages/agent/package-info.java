/// The protocol between a sandbox and the agent in its guest.
package io.vivarium.guestimages.agent;

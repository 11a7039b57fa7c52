/// The protocol between the host and the agent in a guest: frames, their bytes, and their limits.
package io.vivarium.guestimages.agent;

/// The protocol between the host and the agent in a guest: frames, their bytes, and their limits.
@NullMarked
package io.vivarium.guestimages.agent;

import org.jspecify.annotations.NullMarked;

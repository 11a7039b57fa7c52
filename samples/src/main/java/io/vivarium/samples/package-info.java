/// Small programs that show Vivarium in use.
package io.vivarium.samples;

/// Templates of machines, their clones and their reset.
package io.vivarium.snapshot;

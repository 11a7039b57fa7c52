/// Sandboxes: untrusted programs in microVMs.
package io.vivarium;

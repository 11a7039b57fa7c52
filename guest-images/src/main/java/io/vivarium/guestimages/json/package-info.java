// SPDX-License-Identifier: Apache-2.0
/// Reading JSON (RFC 8259), strictly.
package io.vivarium.guestimages.json;

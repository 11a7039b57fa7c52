// SPDX-License-Identifier: Apache-2.0
/// Container images (OCI image specification 1.1, Docker image manifest version 2 schema 2) as root file systems: from
// a
/// registry or from an image layout on disk.
package io.vivarium.guestimages.oci;

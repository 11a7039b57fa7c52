// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

/// What is at a name while a tree is filled: a directory still open, or a finished node.
sealed interface TreeSlot permits OpenDirectory, TreeSlot.Finished {
    /// A node that is not a directory.
    ///
    /// @param layer which layer put it there
    record Finished(TreeNode node, int layer) implements TreeSlot {}
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

/// Takes the entries of an archive, one after the other.
public interface TreeTarget {
    /// Adds a node that is not a directory.
    ///
    /// @param path taken from the root, with or without a leading `/`
    /// @throws InvalidTreeException the node cannot be there
    TreeTarget add(String path, TreeNode node);

    /// Adds a directory, or changes the attributes of one that is there.
    ///
    /// @throws InvalidTreeException the directory cannot be there
    TreeTarget directory(String path, Attributes attributes);

    /// Gives a file that was added before one more name.
    ///
    /// @throws InvalidTreeException as [#add] says; there is no such file, or it is a directory
    TreeTarget hardLink(String path, String existing);

    /// How many names there are so far, those of directories that were made on the way included.
    long size();
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import io.vivarium.guestimages.TreeNode.Directory;
import java.util.HashMap;
import java.util.Map;

/// A directory of a tree that is being filled.
final class OpenDirectory implements TreeSlot {
    /// What a directory has that was made on the way to another file.
    static final Attributes IMPLICIT = Attributes.of(0755);

    /// Changes when the directory is added again.
    Attributes attributes;

    /// The last layer that added the directory itself.
    int layer;

    final Map<String, TreeSlot> entries = new HashMap<>();

    OpenDirectory(Attributes attributes, int layer) {
        this.attributes = attributes;
        this.layer = layer;
    }

    Directory freeze() {
        Map<String, TreeNode> nodes = HashMap.newHashMap(entries.size());
        for (Map.Entry<String, TreeSlot> entry : entries.entrySet()) {
            nodes.put(
                    entry.getKey(),
                    switch (entry.getValue()) {
                        case OpenDirectory directory -> directory.freeze();
                        case TreeSlot.Finished finished -> finished.node();
                    });
        }
        return Directory.of(attributes, nodes);
    }
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.Attributes;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.InvalidTreeException;
import io.vivarium.guestimages.LayeredTree;
import io.vivarium.guestimages.LayeredTree.DirectoryOverLink;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.compress.Compression;
import io.vivarium.guestimages.compress.CorruptDataException;
import io.vivarium.guestimages.fetch.Digest;
import io.vivarium.guestimages.json.JsonException;
import io.vivarium.guestimages.tar.Spool;
import io.vivarium.guestimages.tar.TarBudget;
import io.vivarium.guestimages.tar.TarLimits;
import io.vivarium.guestimages.tar.TarReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.security.DigestInputStream;
import java.security.MessageDigest;

/// An image that was found: what is known of it before its layers are read.
public final class OciImage {
    private final Blobs blobs;
    private final Digest digest;
    private final Manifest.OfImage manifest;
    private final ImageConfig.Stated config;

    private OciImage(Blobs blobs, Digest digest, Manifest.OfImage manifest, ImageConfig.Stated config) {
        this.blobs = blobs;
        this.digest = digest;
        this.manifest = manifest;
        this.config = config;
    }

    /// Follows a manifest or a list of them to the image that guests run.
    static OciImage resolve(Blobs blobs, Digest digest, Blobs.Document first) throws IOException {
        try {
            Digest named = digest;
            Manifest found = first.read();
            if (found instanceof Manifest.OfPlatforms list) {
                Descriptor chosen = list.forGuests();
                Blobs.Document document = blobs.manifest(chosen);
                checkDigest(blobs.source(), chosen.digest(), document);
                named = chosen.digest();
                found = document.read();
            }
            if (!(found instanceof Manifest.OfImage image)) {
                throw new ImageException(blobs.source(), "a list of images has another list in it");
            }
            byte[] config = blobs.readAll(image.config());
            return new OciImage(blobs, named, image, ImageConfig.read(config)).checked();
        } catch (JsonException e) {
            throw new ImageException(blobs.source(), e.reason(), e);
        }
    }

    static void checkDigest(String source, Digest expected, Blobs.Document document) throws ImageException {
        Digest found = document.digest(expected.algorithm());
        if (!found.equals(expected)) {
            throw new ImageException(source, expected + ": the manifest has another digest: " + found);
        }
    }

    private OciImage checked() throws ImageException {
        if (config.layers().size() != manifest.layers().size()) {
            throw new ImageException(
                    blobs.source(),
                    "the manifest has %d layers, and the config %d"
                            .formatted(manifest.layers().size(), config.layers().size()));
        }
        return this;
    }

    /// The digest of the image's manifest, which names all of its content.
    public Digest digest() {
        return digest;
    }

    /// What it says of how its programs are run.
    public ImageConfig config() {
        return config.runs();
    }

    /// How many bytes config and layers have, compressed.
    public long size() {
        return manifest.size();
    }

    /// Reads all layers, each over those before it; fetches those that are not there yet.
    ///
    /// The working directory is made if no layer has it.
    ///
    /// @param limits for all layers together
    /// @return to be closed
    /// @throws ImageException a layer is missing, damaged, not the one that the digest names, or has what a tree
    // cannot
    public RootFs read(TarLimits limits) throws IOException {
        LayeredTree tree = new LayeredTree(DirectoryOverLink.REPLACES);
        TarBudget budget = new TarBudget(blobs.source(), limits);
        Spool spool = new Spool();
        try {
            for (int i = 0; i < manifest.layers().size(); i++) {
                Descriptor layer = manifest.layers().get(i);
                try (VerifiedStream compressed = new VerifiedStream(blobs.source(), layer, blobs.open(layer))) {
                    readLayer(compressed, layer, config.layers().get(i), limits, budget, spool, new LayerTarget(tree));
                }
            }
            tree.nextLayer();
            if (!tree.has(config().workingDirectory())) {
                tree.directory(config().workingDirectory(), Attributes.of(0755));
            }
            return tree.build(spool);
        } catch (InvalidTreeException e) {
            spool.close();
            throw new ImageException(blobs.source(), e.path() + ": " + e.reason(), e);
        } catch (IOException | RuntimeException e) {
            spool.close();
            throw e;
        }
    }

    private void readLayer(
            VerifiedStream compressed,
            Descriptor layer,
            Digest uncompressed,
            TarLimits limits,
            TarBudget budget,
            Spool spool,
            LayerTarget target)
            throws IOException {
        String source = blobs.source() + ", layer " + layer.digest();
        MessageDigest sum = uncompressed.algorithm().start();
        try {
            InputStream plain = Compression.decompress(compressed, limits.maxRatio());
            TarReader.read(new DigestInputStream(plain, sum), source, budget, spool, target);
        } catch (CorruptDataException e) {
            throw new ImageException(source, String.valueOf(e.getMessage()), e);
        } catch (EOFException e) {
            throw new ImageException(source, "truncated compressed data", e);
        }
        compressed.finish();
        Digest found = Digest.finish(uncompressed.algorithm(), sum);
        if (!found.equals(uncompressed)) {
            throw new ImageException(
                    source, "uncompressed it has the digest " + found + " instead of the config's " + uncompressed);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.ImageConfig;
import io.vivarium.User;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.debian.DebianArchive;
import io.vivarium.guestimages.debian.DebianOptions;
import io.vivarium.guestimages.erofs.ErofsImage;
import io.vivarium.guestimages.erofs.ErofsWriter;
import io.vivarium.guestimages.fetch.BlobStore;
import io.vivarium.guestimages.oci.ImageReference;
import io.vivarium.guestimages.oci.OciImage;
import io.vivarium.guestimages.oci.OciLayout;
import io.vivarium.guestimages.oci.Registry;
import io.vivarium.guestimages.oci.RegistryOptions;
import io.vivarium.guestimages.oci.UserIds;
import io.vivarium.guestimages.tar.TarLimits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// An image that brings more than files.
///
/// @param description what it is
/// @param root its files
/// @param config how its programs are run
public record BuiltImage(String description, RootFile root, ImageConfig config) {
    /// Changes with what is made from the same layers.
    private static final String FORMAT = "-1.erofs";

    /// Fetches one from a registry. What is made of it stays in the cache, by its digest.
    public static BuiltImage ofRegistry(ImageReference reference, RegistryOptions options, TarLimits limits) {
        FetchEvent event = new FetchEvent();
        RegistryOptions counted = options.withListener(event.counting(options.listener()));
        try (Registry registry = new Registry(reference, counted)) {
            OciImage image = registry.image();
            String name =
                    image.digest().algorithm().title() + "-" + image.digest().hex() + FORMAT;
            Path made = new BlobStore(options.cache()).make(name, (Path file) -> {
                try (RootFs tree = image.read(limits)) {
                    ErofsWriter.write(tree, file);
                }
            });
            String description = "OCI " + reference + " " + image.digest();
            try (ErofsImage erofs = ErofsImage.open(made)) {
                ImageConfig config = config(reference.toString(), image, erofs.tree());
                BuiltImage built = new BuiltImage(description, RootFile.ofErofs(made), config);
                event.report(description);
                return built;
            }
        } catch (IOException | RuntimeException e) {
            throw RootFile.invalid(reference, e);
        }
    }

    /// Makes one from a layout on this host.
    public static BuiltImage ofLayout(Path directory, Optional<String> name) {
        try {
            OciLayout layout = new OciLayout(directory);
            OciImage image = name.isPresent() ? layout.image(name.get()) : layout.image();
            try (RootFs tree = image.read(TarLimits.DEFAULT)) {
                ImageConfig config = config(directory.toString(), image, tree);
                return new BuiltImage("OCI layout " + directory, RootFile.ofTree(directory, tree), config);
            }
        } catch (IOException | RuntimeException e) {
            throw RootFile.invalid(directory, e);
        }
    }

    /// Makes one of Debian packages. It stays in the cache, by the digests of the packages.
    public static BuiltImage ofPackages(List<String> names, DebianOptions options, TarLimits limits) {
        FetchEvent event = new FetchEvent();
        String description = "Debian packages " + String.join(", ", names);
        try (DebianArchive archive = new DebianArchive(options.withListener(event.counting(options.listener())))) {
            DebianArchive.Selection selection = archive.select(names);
            String name = "debian-" + selection.digest().hex() + FORMAT;
            Path made = new BlobStore(options.cache()).make(name, (Path file) -> {
                try (RootFs tree = archive.read(selection, limits)) {
                    ErofsWriter.write(tree, file);
                }
            });
            BuiltImage built = new BuiltImage(description, RootFile.ofErofs(made), ImageConfig.NONE);
            event.report(description);
            return built;
        } catch (IOException | RuntimeException e) {
            throw RootFile.invalid(description, e);
        }
    }

    private static ImageConfig config(String source, OciImage image, RootFs tree) throws IOException {
        io.vivarium.guestimages.oci.ImageConfig stated = image.config();
        UserIds user = UserIds.find(source, tree, stated.user());
        return new ImageConfig(
                stated.entrypoint(),
                stated.cmd(),
                stated.env(),
                stated.workingDirectory(),
                new User(user.uid(), user.gid()));
    }
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static java.util.stream.Collectors.toUnmodifiableMap;
import static java.util.stream.Collectors.toUnmodifiableSet;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.Location;
import java.lang.foreign.Linker;
import java.lang.module.ModuleDescriptor;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Holds the modules to the directions they may depend in. It reads the class files of the very modules that this JVM
/// resolved, so it sees what an application gets.
class ArchitectureTest {
    private static final String KVM = "io.vivarium.kvm";
    private static final String VIRTIO = "io.vivarium.virtio";
    private static final String SNAPSHOT = "io.vivarium.snapshot";
    private static final String GUEST_IMAGES = "io.vivarium.guestimages";
    private static final String API = "io.vivarium.api";

    /// Module, and the modules of ours that it may use: arrows point down only.
    private static final Map<String, Set<String>> MAY_USE = Map.of(
            KVM, Set.of(),
            VIRTIO, Set.of(KVM),
            SNAPSHOT, Set.of(KVM, VIRTIO),
            GUEST_IMAGES, Set.of(),
            API, Set.of(KVM, VIRTIO, SNAPSHOT, GUEST_IMAGES));

    /// All that an application gets on its module path besides the JDK and Vivarium.
    private static final Set<String> RUNTIME_LIBRARIES =
            Set.of("org.slf4j", "com.github.benmanes.caffeine", "org.tukaani.xz");

    private static final String SYSCALLS = "io.vivarium.kvm.internal.Syscalls";

    private static final Map<String, String> MODULE_OF_PACKAGE = MAY_USE.keySet().stream()
            .flatMap(module -> descriptor(module).packages().stream().map(name -> Map.entry(name, module)))
            .collect(toUnmodifiableMap(Map.Entry::getKey, Map.Entry::getValue));

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .importLocations(
                    MAY_USE.keySet().stream().map(ArchitectureTest::location).toList());

    static Stream<String> modules() {
        return MAY_USE.keySet().stream().sorted();
    }

    /// The rules below hold of nothing if nothing is seen.
    @ParameterizedTest
    @MethodSource("modules")
    void everyPackageOfAModuleIsSeen(String module) {
        Set<String> seen = CLASSES.stream().map(JavaClass::getPackageName).collect(toUnmodifiableSet());
        Set<String> seenWithTypes = CLASSES.stream()
                .filter(javaClass -> !javaClass.getSimpleName().equals("package-info"))
                .map(JavaClass::getPackageName)
                .collect(toUnmodifiableSet());
        List<String> exported = descriptor(module).exports().stream()
                .map(ModuleDescriptor.Exports::source)
                .toList();

        assertThat(seen).containsAll(descriptor(module).packages());
        assertThat(exported).as("packages that %s exports", module).isNotEmpty();
        assertThat(seenWithTypes).containsAll(exported);
    }

    @ParameterizedTest
    @MethodSource("modules")
    void aModuleUsesOnlyTheModulesBelowIt(String module) {
        Set<String> allowed = MAY_USE.getOrDefault(module, Set.of());

        noClasses()
                .that(areIn(Set.of(module)))
                .should()
                .dependOnClassesThat(areIn(MAY_USE.keySet().stream()
                        .filter(other -> !other.equals(module) && !allowed.contains(other))
                        .collect(toUnmodifiableSet())))
                .check(CLASSES);
    }

    @ParameterizedTest
    @MethodSource("modules")
    void aModuleRequiresOnlyTheModulesBelowItAndTheRuntimeLibraries(String module) {
        Set<String> required = descriptor(module).requires().stream()
                .filter(requires -> !requires.modifiers().contains(ModuleDescriptor.Requires.Modifier.STATIC))
                .map(ModuleDescriptor.Requires::name)
                .filter(name -> !name.startsWith("java.") && !name.startsWith("jdk."))
                .collect(toUnmodifiableSet());

        Set<String> allowed = new TreeSet<>(RUNTIME_LIBRARIES);
        allowed.addAll(MAY_USE.getOrDefault(module, Set.of()));
        assertThat(allowed).containsAll(required);
    }

    @Test
    void onlySyscallsLinksNativeCode() {
        DescribedPredicate<JavaClass> isLinker = DescribedPredicate.describe(
                "are java.lang.foreign.Linker", target -> target.getName().startsWith(Linker.class.getName()));
        DescribedPredicate<JavaClass> isSyscalls = DescribedPredicate.describe(
                "are " + SYSCALLS,
                origin -> origin.getName().equals(SYSCALLS) || origin.getName().startsWith(SYSCALLS + "$"));

        assertThat(CLASSES.get(SYSCALLS).getDirectDependenciesFromSelf())
                .anyMatch(dependency -> isLinker.test(dependency.getTargetClass()));
        noClasses()
                .that(DescribedPredicate.not(isSyscalls))
                .should()
                .dependOnClassesThat(isLinker)
                .check(CLASSES);
    }

    @Test
    void signaturesOfTheApiNameOnlyTypesOfTheJdkAndTheirOwn() {
        List<JavaClass> api = CLASSES.stream()
                .filter(javaClass -> javaClass.getPackageName().equals("io.vivarium"))
                .filter(ArchitectureTest::isVisible)
                .toList();

        assertThat(api).isNotEmpty();
        assertThat(api.stream()
                        .flatMap(javaClass -> signatureTypes(javaClass)
                                .filter(type -> !isJdkOrApi(type))
                                .map(type -> javaClass.getName() + " names " + type.getName()))
                        .distinct())
                .isEmpty();
    }

    /// Every raw type that an application meets in the declaration of a class and of its visible members.
    private static Stream<JavaClass> signatureTypes(JavaClass declaring) {
        Stream<JavaType> inherited =
                Stream.concat(declaring.getSuperclass().stream(), declaring.getInterfaces().stream());
        Stream<JavaType> fields = declaring.getFields().stream()
                .filter(field -> isVisible(field.getModifiers()))
                .map(JavaField::getType);
        Stream<JavaType> codeUnits = declaring.getCodeUnits().stream()
                .filter(codeUnit -> isVisible(codeUnit.getModifiers()))
                .flatMap(ArchitectureTest::types);
        return Stream.of(inherited, fields, codeUnits)
                .flatMap(types -> types)
                .flatMap(type -> type.getAllInvolvedRawTypes().stream())
                .map(JavaClass::getBaseComponentType);
    }

    private static Stream<JavaType> types(JavaCodeUnit codeUnit) {
        return Stream.of(
                        Stream.of(codeUnit.getReturnType()),
                        codeUnit.getParameterTypes().stream(),
                        codeUnit.getExceptionTypes().stream())
                .flatMap(types -> types);
    }

    private static boolean isVisible(JavaClass javaClass) {
        return isVisible(javaClass.getModifiers())
                && javaClass
                        .getEnclosingClass()
                        .map(ArchitectureTest::isVisible)
                        .orElse(true);
    }

    private static boolean isVisible(Set<JavaModifier> modifiers) {
        return (modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED))
                && !modifiers.contains(JavaModifier.SYNTHETIC);
    }

    private static boolean isJdkOrApi(JavaClass type) {
        return type.isPrimitive()
                || type.getPackageName().startsWith("java.")
                || type.getPackageName().startsWith("jdk.")
                || type.getPackageName().equals("io.vivarium");
    }

    private static DescribedPredicate<JavaClass> areIn(Set<String> modules) {
        return DescribedPredicate.describe(
                "are in " + new TreeSet<>(modules),
                javaClass -> modules.contains(MODULE_OF_PACKAGE.getOrDefault(javaClass.getPackageName(), "")));
    }

    private static ModuleDescriptor descriptor(String module) {
        return ModuleLayer.boot().findModule(module).orElseThrow().getDescriptor();
    }

    private static Location location(String module) {
        URI uri = ModuleLayer.boot()
                .configuration()
                .findModule(module)
                .orElseThrow()
                .reference()
                .location()
                .orElseThrow();
        return Location.of(uri);
    }
}

package io.vivarium.guestimages.boot;
final class KernelImage {}

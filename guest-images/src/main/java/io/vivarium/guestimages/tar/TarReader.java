package io.vivarium.guestimages.tar;
final class TarReader {}

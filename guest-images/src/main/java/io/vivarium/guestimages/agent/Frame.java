package io.vivarium.guestimages.agent;
final class Frame {}

import org.jspecify.annotations.NullMarked;

/// Linux and KVM from Java: system calls, memory, virtual machines and the machine they make.
@NullMarked
module io.vivarium.kvm {
    requires static org.jspecify;
    requires org.slf4j;
}

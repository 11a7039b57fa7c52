// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.HostUnavailableException;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmUnavailableException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What all sandboxes of this process share: `/dev/kvm`, opened at the first launch, and the templates to boot from.
record HostKvm(Kvm kvm, BootTemplates templates) {
    private static final ReentrantLock LOCK = new ReentrantLock();
    private static volatile @Nullable HostKvm shared;

    /// @throws HostUnavailableException if it cannot be opened; the next call tries again
    static HostKvm get() {
        HostKvm open = shared;
        return open != null ? open : open();
    }

    private static HostKvm open() {
        LOCK.lock();
        try {
            HostKvm open = shared;
            if (open == null) {
                open = new HostKvm(Kvm.open(), new BootTemplates(SubstrateKernel.get()));
                shared = open;
            }
            return open;
        } catch (KvmUnavailableException e) {
            throw new HostUnavailableException(HostProbe.unavailable(e.unavailable()));
        } finally {
            LOCK.unlock();
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.HostUnavailableException;
import io.vivarium.guestimages.boot.Substrate;
import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmUnavailableException;
import io.vivarium.kvm.Machine;
import io.vivarium.kvm.PageMap;
import io.vivarium.kvm.RegionSpec;
import io.vivarium.kvm.x86.Translations;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What all sandboxes of this process share: `/dev/kvm`, opened at the first launch, and how a kernel is booted.
record HostKvm(Kvm kvm, ColdBoot coldBoot) {
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
                open = create(Kvm.open());
                shared = open;
            }
            return open;
        } catch (KvmUnavailableException e) {
            throw new HostUnavailableException(HostProbe.unavailable(e.unavailable()));
        } finally {
            LOCK.unlock();
        }
    }

    /// What only those need who put machines back.
    private static final class Resets {
        private static final Translations.Way FORGETTING = Translations.way(get().kvm());
    }

    /// What only those need who look at which pages a guest has written to.
    private static final class Pages {
        private static final PageMap MAP = PageMap.open();
    }

    /// How this host forgets a guest's page tables. On a platform thread, the first time.
    static Translations.Way forgetting() {
        return Resets.FORGETTING;
    }

    /// The pages of this process.
    static PageMap pageMap() {
        return Pages.MAP;
    }

    private static HostKvm create(Kvm kvm) {
        try {
            return new HostKvm(kvm, new ColdBoot(kvm, Substrate.kernel(), tscKhz(kvm)));
        } catch (RuntimeException | Error e) {
            kvm.close();
            throw e;
        }
    }

    /// The frequency of every machine's time-stamp counter, which only a vCPU tells.
    private static int tscKhz(Kvm kvm) {
        try (Machine machine =
                Machine.builder(kvm).region(RegionSpec.anonymous(0, 4096)).build()) {
            return machine.vcpu(0).tscKhz();
        }
    }
}

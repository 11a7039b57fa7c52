// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A guest broke the contract of a device.
@Name("io.vivarium.VirtioFault")
@Label("Virtio Fault")
@Category("Vivarium")
@Description("A guest did what a virtio device cannot go on from")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
final class FaultEvent extends Event {
    @Label("Device")
    @Description("Number of the device in this process")
    private final long device;

    @Label("Device Type")
    @Description("Device type of virtio 1.2, section 5")
    private final int deviceType;

    @Label("Fault")
    private final String fault;

    @Label("Detail")
    private final String detail;

    FaultEvent(long device, int deviceType, VirtioFault fault) {
        this.device = device;
        this.deviceType = deviceType;
        this.fault = fault.kind().name();
        this.detail = fault.detail();
    }
}

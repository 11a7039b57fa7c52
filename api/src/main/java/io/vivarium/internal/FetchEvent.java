// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.guestimages.fetch.FetchListener;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// An image that was made from a download; the event lasts as long as that took.
@Name("io.vivarium.Pull")
@Label("Pull")
@Category("Vivarium")
@Description("An image was made from a registry or from packages")
@StackTrace(false)
@SuppressWarnings("UnusedVariable") // The flight recorder reads the fields.
final class FetchEvent extends Event {
    @Label("Image")
    private String image = "";

    @Label("Downloaded")
    @DataAmount
    private long downloaded;

    @Label("Cached")
    @DataAmount
    private long cached;

    FetchEvent() {
        begin();
    }

    /// Counts what goes on to another listener.
    FetchListener counting(FetchListener next) {
        return (String item, long bytes, long total, boolean wasThere) -> {
            if (bytes == total) {
                downloaded += wasThere ? 0 : total;
                cached += wasThere ? total : 0;
            }
            next.progress(item, bytes, total, wasThere);
        };
    }

    void report(String description) {
        end();
        if (shouldCommit()) {
            image = description;
            commit();
        }
    }
}

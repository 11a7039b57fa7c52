// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

/// How a call ended.
sealed interface Outcome {
    /// For metrics.
    String label();

    /// It ended well.
    final class Result implements Outcome {
        private final byte[] output;

        Result(byte[] output) {
            this.output = output;
        }

        byte[] output() {
            return output;
        }

        @Override
        public String label() {
            return "ok";
        }
    }

    /// It ended badly, by itself.
    ///
    /// @param how in words
    /// @param errors what it wrote to standard error
    record Failed(String how, String errors) implements Outcome {
        @Override
        public String label() {
            return "failed";
        }
    }

    /// It was stopped.
    ///
    /// @param limit that it has reached
    /// @param how in words
    record Stopped(Limit limit, String how) implements Outcome {
        /// What a call may use.
        enum Limit {
            TIME,
            OUTPUT
        }

        @Override
        public String label() {
            return limit == Limit.TIME ? "timeout" : "output_limit";
        }
    }

    /// No sandbox was to be had in time.
    record Overloaded() implements Outcome {
        @Override
        public String label() {
            return "overloaded";
        }
    }
}

# SPDX-License-Identifier: Apache-2.0
# Waits for a program: a line with its length, the program, then what it reads.
read -r length || exit 125
dd bs="$length" count=1 iflag=fullblock of=/tmp/function 2> /dev/null && chmod 755 /tmp/function || exit 125
exec /tmp/function

# SPDX-License-Identifier: Apache-2.0
# Waits for a function: a line with its length, its source, then what it reads.
read -r length || exit 125
source=$(dd bs="$length" count=1 iflag=fullblock 2> /dev/null; echo .)
eval "${source%.}"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In a guest: keep NAME COMMAND... runs the command and keeps its output, what it said on standard error and its status as the
# results NAME, NAME.errors and NAME.status. Ends with that status.
name=$1
shift
status=0
"$@" >"/results/$name" 2>"/results/$name.errors" || status=$?
echo "$status" >"/results/$name.status"
exit "$status"

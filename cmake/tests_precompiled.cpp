// SPDX-License-Identifier: Apache-2.0
// Only carries the precompiled headers that the test programs share.
int main() { return 0; }

// SPDX-License-Identifier: Apache-2.0
// A guest with systemd is a machine on which packages can be installed and services run: what tests
// of the service as a package build on.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

// Makes a package with a service, as the machine's own administrator would.
constexpr const char* script = R"(
systemctl is-system-running --wait >/results/state
systemctl --failed --no-legend >/results/failed
mkdir -p package/DEBIAN package/lib/systemd/system
cat >package/DEBIAN/control <<END
Package: example
Version: 1
Architecture: amd64
Maintainer: nobody
Depends: $DEPENDS
Description: an example
END
cat >package/lib/systemd/system/example.service <<END
[Service]
Type=oneshot
ExecStart=/bin/smmuctl tables
END
keep build dpkg-deb --build package example.deb
keep install dpkg --install example.deb
systemctl daemon-reload
keep start systemctl start example
keep journal journalctl --no-pager --unit example
keep without dpkg --remove --dry-run libfmt9
)";

TEST(System, APackageIsInstalledAndItsServiceWritesIntoTheJournal) {
    Ended ended = Guest{.system = true, .programs = {"smmuctl"}}.run(
        "DEPENDS='libfmt9 (>= 9), libsystemd0'\n" + std::string(script));
    EXPECT_EQ(ended.status, 1) << testing::PrintToString(ended) << "the last command is refused";
    EXPECT_EQ(ended.results["state"], "running\n") << ended.results["failed"];
    EXPECT_EQ(ended.results["install.status"], "0\n") << ended.results["install.errors"];
    EXPECT_EQ(ended.results["start.status"], "0\n") << ended.results["start.errors"];
    EXPECT_THAT(ended.results["journal"], HasSubstr("vtd@fed90000"));
    EXPECT_THAT(ended.results["without.errors"], HasSubstr("example depends on libfmt9"));
}

}  // namespace
}  // namespace smmu::test

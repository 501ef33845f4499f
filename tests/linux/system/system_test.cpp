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
TimeoutStartSec=120
# The sandbox kills what looks for leaks when a sanitized program ends, and the program would wait for it forever.
Environment=ASAN_OPTIONS=detect_leaks=0
ExecStart=/bin/guest_probe register 0xfed90000
CapabilityBoundingSet=CAP_SYS_RAWIO
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/mem rw
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service
END
keep build dpkg-deb --build package example.deb
keep install dpkg --install example.deb
systemctl daemon-reload
keep start systemctl start example
keep journal journalctl --no-pager --output cat --unit example
sed -i /DeviceAllow/d /lib/systemd/system/example.service
systemctl daemon-reload
keep refused systemctl start example
keep without dpkg --remove --dry-run libfmt9
)";

class System : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ended_ = Guest{.system = true,
                       .words = "intel_iommu=off intremap=off",
                       .programs = {"guest_probe"}}
                     .run("DEPENDS='libfmt9 (>= 9), libsystemd0'\n" + std::string(script));
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static inline Ended ended_;
};

TEST_F(System, ItComesUpWithoutAFailedUnit) {
    EXPECT_EQ(result("state"), "running\n") << result("failed") << testing::PrintToString(ended_);
}

TEST_F(System, APackageIsInstalledWhenItsDependenciesAreThere) {
    EXPECT_EQ(result("install.status"), "0\n") << result("install.errors");
    EXPECT_THAT(result("without.errors"), HasSubstr("example depends on libfmt9"));
}

TEST_F(System, AServiceInASandboxReachesRegistersAndTheJournal) {
    EXPECT_EQ(result("start.status"), "0\n") << result("start.errors") << result("journal");
    EXPECT_THAT(result("journal"), HasSubstr("00000010\n"));
}

TEST_F(System, WithoutItsDeviceTheSandboxRefuses) {
    EXPECT_EQ(result("refused.status"), "1\n") << "the sandbox is real";
}

}  // namespace
}  // namespace smmu::test

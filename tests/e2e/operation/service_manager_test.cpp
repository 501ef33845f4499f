// SPDX-License-Identifier: Apache-2.0
// ServiceManager: what the service says to whoever supervises it, in the order of sd_notify(3).
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The receiving end of $NOTIFY_SOCKET, which services started while this lives inherit.
class ServiceManager {
public:
    explicit ServiceManager(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(bind(socket_.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address), 0);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;
    ~ServiceManager() { unsetenv("NOTIFY_SOCKET"); }

    // The next thing said; empty when nothing comes in time.
    std::string next() {
        pollfd ready{socket_.get(), POLLIN, 0};
        const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
        if (poll(&ready, 1, int(time.count())) != 1) return {};
        char text[4096];
        const ssize_t length = recv(socket_.get(), text, sizeof text, 0);
        return length > 0 ? std::string(text, std::size_t(length)) : std::string();
    }

private:
    UniqueFd socket_;
};

TEST(ServiceManager, HearsOfStartReloadsAndStop) {
    auto opened = MachineRoom::open();
    ASSERT_TRUE(opened) << opened.error().text;
    MachineRoom& room = **opened;
    ServiceManager manager(room.board().directory() + "/notify");
    const std::string path = room.board().directory() + "/board.smmu";
    std::ofstream(path) << "smmu vtd\n";
    ASSERT_TRUE(room.start_service({"@" + path}));
    EXPECT_THAT(manager.next(), testing::AllOf(StartsWith("READY=1\nSTATUS="), HasSubstr("contained 1 of 1 units")));

    const auto reloaded = [&] {
        EXPECT_THAT(manager.next(), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
        EXPECT_THAT(manager.next(), StartsWith("READY=1\n"));
    };
    ASSERT_EQ(kill(room.service().pid(), SIGHUP), 0);
    reloaded();
    const std::vector<std::string> by_hand{"--socket", Service::socket(room.board()), "reload"};
    EXPECT_EQ(run(room.board(), "smmuctl", by_hand).status, 0);
    reloaded();
    std::ofstream(path) << "smmu vtd\nnonsense\n";  // what is refused is over, too
    EXPECT_EQ(run(room.board(), "smmuctl", by_hand).status, 2);
    reloaded();

    EXPECT_EQ(room.service().end(SIGTERM), 0);
    EXPECT_EQ(manager.next(), "STOPPING=1");
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// smmu_init and smmu_fini: counting, every errno, restarts, forked children, false services.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <poll.h>
#include <smmu_ext.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "client/session.hpp"
#include "fake_service.hpp"

namespace smmu::client {
namespace {

using protocol::Opcode;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr smmu_map_entry some_entry() {
    smmu_map_entry entry{};
    entry.phys = 0x1000;
    entry.len = 0x1000;
    return entry;
}

class Lifetime : public ClientTest {};

TEST_F(Lifetime, FlagsMustBeZero) {
    EXPECT_THAT(failure([&] { return smmu_init(1); }), Eq(EINVAL));
    EXPECT_THAT(smmu_strerror_last(), HasSubstr("flags"));
}

TEST_F(Lifetime, CallsAreCounted) {
    ASSERT_EQ(smmu_init(0), 0);
    ASSERT_EQ(smmu_init(0), 0);
    smmu_fini();
    EXPECT_NE(smmu_obj_create(SOCF_NONE), nullptr);
    smmu_fini();
    EXPECT_EQ(smmu_obj_create(SOCF_NONE), nullptr);
    EXPECT_EQ(errno, ENOTCONN);
    for (int i = 0; i < 5; ++i) smmu_fini();
    ASSERT_EQ(smmu_init(0), 0);
    EXPECT_NE(smmu_obj_create(SOCF_NONE), nullptr);
    smmu_fini();
    EXPECT_EQ(smmu_obj_create(SOCF_NONE), nullptr);
}

TEST_F(Lifetime, FiniDestroysWhatIsLeftAndKeepsErrno) {
    ASSERT_EQ(smmu_init(0), 0);
    ASSERT_NE(smmu_obj_create(SOCF_NONE), nullptr);
    ASSERT_NE(smmu_obj_create(SOCF_NONE), nullptr);
    service.on(Opcode::object_destroy,
               [](Received&) { return Answer::refusal(EIO, "unit is stuck"); });
    errno = 123;
    smmu_fini();
    EXPECT_EQ(errno, 123);
    EXPECT_THAT(service.seen(), ElementsAre(Opcode::object_create, Opcode::object_create,
                                            Opcode::object_destroy, Opcode::object_destroy));
}

TEST_F(Lifetime, EverythingNeedsInit) {
    const smmu_map_entry entry = some_entry();
    smmu_status status{};
    smmu_event event{};
    event.size = sizeof(event);
    smmu_map_entry room{};
    smmu_devid device{};
    device.pci.type = SDT_PCI;
    auto* object = reinterpret_cast<smmu_object*>(0x1234);
    EXPECT_THAT(failure([&] { return smmu_safety(); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_obj_destroy_checked(object); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 1, 0); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(nullptr, 0, 1, 0); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_mapping_add(object, SMF_READ, 0, 1, &entry, 0); }),
                Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(object, SMF_READ, 0, 0, 1, 0); }),
                Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return int(smmu_device_report_reserved(&device, 0, &room, 1)); }),
                Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_xfer_notify(nullptr); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_xfer_status(&status); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_event_read(&event, 1); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_event_fd(); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_device_fd(&device); }), Eq(ENOTCONN));
    EXPECT_THAT(smmu_strerror_last(), HasSubstr("smmu_init"));
    EXPECT_THAT(service.seen(), IsEmpty());
}

TEST_F(Lifetime, AbsentAndStaleSocketsAreEnoent) {
    service.stop();  // leaves the name behind
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(ENOENT));
    EXPECT_THAT(smmu_strerror_last(), HasSubstr("start smmuman"));
    unlink(service.path().c_str());
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(ENOENT));
    smmu_fini();
}

TEST_F(Lifetime, RefusedUserIsEperm) {
    service.on(Opcode::hello,
               [](Received&) { return Answer::refusal(EPERM, "user 7 lacks ability attach"); });
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(EPERM));
    EXPECT_STREQ(smmu_strerror_last(), "user 7 lacks ability attach");
    service.on(Opcode::hello,
               [](Received&) { return Answer::refusal(EDQUOT, "too many connections"); });
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(EDQUOT));
    Answer hang_up;
    hang_up.hang_up = true;
    service.on(Opcode::hello, [hang_up](Received&) { return hang_up; });
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(EPERM));
}

TEST_F(Lifetime, ServiceOfAnotherGenerationIsEproto) {
    service.on(Opcode::hello, [](Received&) {
        return Answer::of(protocol::HelloReply{{0, 0}, 1, protocol::protocol_version + 1, 0});
    });
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(EPROTO));
}

TEST_F(Lifetime, SilentServiceIsEtimedout) {
    EXPECT_EQ(Patience().connect, milliseconds(5000));
    Use()->patience.connect = milliseconds(50);
    Answer silent;
    silent.silent = true;
    service.on(Opcode::hello, [silent](Received&) { return silent; });
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(ETIMEDOUT));
}

TEST_F(Lifetime, ServiceThatDoesNotAcceptIsEtimedout) {
    service.stop();
    unlink(service.path().c_str());
    const UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, service.path().c_str());
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(listener.get(), 0), 0);
    const UniqueFd first(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(first.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    Use()->patience.connect = milliseconds(50);
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(ETIMEDOUT));
}

TEST_F(Lifetime, RequestWithoutAnswerEndsTheConnection) {
    ASSERT_EQ(smmu_init(0), 0);
    smmu_object* object = smmu_obj_create(SOCF_NONE);
    Use()->patience.request = milliseconds(50);
    Answer silent;
    silent.silent = true;
    service.on(Opcode::device_add, [silent](Received&) { return silent; });
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 1, 0); }), Eq(ETIMEDOUT));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 1, 0); }), Eq(ENOTCONN));
    ASSERT_EQ(smmu_init(0), 0);
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 1, 0); }), Eq(EINVAL));
}

TEST_F(Lifetime, RestartedServiceKnowsNoOldObject) {
    ASSERT_EQ(smmu_init(0), 0);
    smmu_object* old = smmu_obj_create(SOCF_NONE);
    ASSERT_NE(old, nullptr);
    service.stop();
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(old, 0, 1, 0); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(ENOENT));
    service.start();
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(old, 0, 1, 0); }), Eq(ENOTCONN));
    ASSERT_EQ(smmu_init(0), 0);
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(old, 0, 1, 0); }), Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_obj_destroy_checked(old); }), Eq(EINVAL));
    smmu_object* fresh = smmu_obj_create(SOCF_NONE);
    EXPECT_NE(fresh, old);
    EXPECT_EQ(smmu_device_add_pci(fresh, 0, 1, 0), 0);
    smmu_fini();
    EXPECT_EQ(smmu_device_add_pci(fresh, 0, 1, 0), 0) << "two inits, one fini";
}

TEST_F(Lifetime, InitNoticesARestartByItself) {
    ASSERT_EQ(smmu_init(0), 0);
    smmu_object* old = smmu_obj_create(SOCF_NONE);
    service.stop();
    service.start();
    ASSERT_EQ(smmu_init(0), 0);
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(old, 0, 1, 0); }), Eq(EINVAL));
    EXPECT_NE(smmu_obj_create(SOCF_NONE), nullptr);
}

// Runs `body` in a forked child and hands back what it returned.
template <class Body>
int in_child(Body body, pid_t (*make_child)() = fork) {
    const pid_t child = make_child();
    if (child == 0) {
        alarm(20);
        _exit(body());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

// Nobody is told of a child that was made like this.
TEST_F(Lifetime, ChildForkedBesideTheCLibraryHasNoConnection) {
    ASSERT_EQ(smmu_init(0), 0);
    smmu_object* object = smmu_obj_create(SOCF_NONE);
    EXPECT_EQ(in_child([&] { return smmu_device_add_pci(object, 0, 1, 0) == -1 && errno == ENOTCONN ? 0 : 1; },
                       _Fork),
              0);
    EXPECT_EQ(smmu_device_add_pci(object, 0, 1, 0), 0) << "the parent goes on";
}

TEST_F(Lifetime, ForkedChildHasNoConnection) {
    ASSERT_EQ(smmu_init(0), 0);
    smmu_object* object = smmu_obj_create(SOCF_NONE);
    EXPECT_EQ(in_child([&] {
                  if (smmu_device_add_pci(object, 0, 1, 0) != -1 || errno != ENOTCONN) return 1;
                  smmu_fini();
                  if (smmu_init(0) != 0) return 2;
                  if (smmu_device_add_pci(object, 0, 1, 0) != -1 || errno != EINVAL) return 3;
                  smmu_object* own = smmu_obj_create(SOCF_NONE);
                  if (own == nullptr || smmu_device_add_pci(own, 0, 1, 0) != 0) return 4;
                  smmu_fini();
                  return 0;
              }),
              0);
    EXPECT_EQ(smmu_device_add_pci(object, 0, 1, 0), 0) << "the parent goes on";
}

TEST_F(Lifetime, ChildForkedDuringARequestIsNotStuck) {
    ASSERT_EQ(smmu_init(0), 0);
    int reached[2];
    ASSERT_EQ(pipe2(reached, O_CLOEXEC), 0);
    const UniqueFd reading(reached[0]), writing(reached[1]);
    Answer silent;
    silent.silent = true;
    service.on(Opcode::safety, [&, silent](Received&) {
        EXPECT_EQ(write(reached[1], "x", 1), 1);
        return silent;
    });
    Use()->patience.request = milliseconds(500);
    std::thread busy([] { smmu_safety(); });
    char byte = 0;
    ASSERT_EQ(read(reached[0], &byte, 1), 1);
    EXPECT_EQ(in_child([] { return smmu_safety() == -1 && errno == ENOTCONN ? 0 : 1; }), 0);
    busy.join();
}

TEST_F(Lifetime, ServiceOfAStrangerIsNotTrusted) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can make a socket as somebody else";
    service.stop();
    unlink(service.path().c_str());
    int ready[2], hold[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(hold, O_CLOEXEC), 0);
    UniqueFd ready_reading(ready[0]), ready_writing(ready[1]), hold_reading(hold[0]),
        hold_writing(hold[1]);
    const pid_t stranger = fork();
    if (stranger == 0) {
        alarm(20);
        hold_writing.reset();
        const UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, service.path().c_str());
        if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
            _exit(1);
        if (setgid(65534) != 0 || setuid(65534) != 0 || listen(listener.get(), 4) != 0) _exit(2);
        char byte = 0;
        if (write(ready_writing.get(), "x", 1) != 1) _exit(3);
        _exit(read(hold_reading.get(), &byte, 1) < 0 ? 4 : 0);
    }
    ready_writing.reset();
    char byte = 0;
    ASSERT_EQ(read(ready_reading.get(), &byte, 1), 1);
    EXPECT_THAT(failure([&] { return smmu_init(0); }), Eq(EPERM));
    EXPECT_THAT(smmu_strerror_last(), HasSubstr("not trusted"));
    hold_writing.reset();
    EXPECT_EQ(waitpid(stranger, nullptr, 0), stranger);
}

}  // namespace
}  // namespace smmu::client

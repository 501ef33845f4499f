// SPDX-License-Identifier: Apache-2.0
// A private message bus with a login manager of the test's own on it: the lock is asked for, held, and let go.
#include "daemon/inhibition.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>

#include "base/result.hpp"

namespace smmu::daemon {
namespace {

std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// dbus-daemon on a socket of its own; this process's "system bus" while it lives.
class PrivateBus {
public:
    explicit PrivateBus(const std::string& folder) {
        const std::string configuration = folder + "/bus.conf";
        std::ofstream(configuration) << "<busconfig><type>session</type><listen>unix:path=" << folder
                                     << "/bus</listen><policy context=\"default\"><allow send_destination=\"*\"/>"
                                        "<allow own=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>";
        int ready[2];
        if (pipe2(ready, 0) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            const std::string print = "--print-address=" + std::to_string(ready[1]);
            const std::string file = "--config-file=" + configuration;
            execlp("dbus-daemon", "dbus-daemon", "--nofork", print.c_str(), file.c_str(), nullptr);
            _exit(127);
        }
        close(ready[1]);
        char address[512] = {};
        ready_ = read(ready[0], address, sizeof address - 1) > 0;
        close(ready[0]);
        setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + folder + "/bus").c_str(), 1);
    }
    ~PrivateBus() {
        unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    bool ready() const { return ready_; }

private:
    pid_t pid_ = -1;
    bool ready_ = false;
};

// Answers Inhibit with the write end of a pipe, as logind does; the read end shows when the lock is let go.
class LoginManager {
public:
    LoginManager() {
        if (pipe2(pipe_, O_CLOEXEC) != 0 || sd_bus_open_system(&bus_) < 0) return;
        static const sd_bus_vtable methods[] = {
            SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit, SD_BUS_VTABLE_UNPRIVILEGED), SD_BUS_VTABLE_END};
        ready_ = sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", methods,
                                          this) >= 0 &&
                 sd_bus_request_name(bus_, "org.freedesktop.login1", 0) >= 0;
        thread_ = std::thread([this] {
            while (!ended_) {
                while (sd_bus_process(bus_, nullptr) > 0) {}
                sd_bus_wait(bus_, 10'000);
            }
        });
    }
    ~LoginManager() {
        ended_ = true;
        if (thread_.joinable()) thread_.join();
        sd_bus_flush_close_unref(bus_);
        close(pipe_[0]);
        if (pipe_[1] >= 0) close(pipe_[1]);
    }

    bool ready() const { return ready_; }
    const std::string& what() const { return what_; }
    // The lock was let go: nobody holds the write end.
    bool released() {
        pollfd end{.fd = pipe_[0], .events = POLLIN, .revents = 0};
        return poll(&end, 1, 100) == 1 && (end.revents & POLLHUP) != 0;
    }

private:
    static int inhibit(sd_bus_message* message, void* data, sd_bus_error*) {
        auto& self = *static_cast<LoginManager*>(data);
        const char *what = nullptr, *who = nullptr, *why = nullptr, *mode = nullptr;
        if (sd_bus_message_read(message, "ssss", &what, &who, &why, &mode) < 0) return -EINVAL;
        self.what_ = std::string(what) + " " + mode;
        const int sent = sd_bus_reply_method_return(message, "h", self.pipe_[1]);
        sd_bus_flush(self.bus_);
        close(std::exchange(self.pipe_[1], -1));
        return sent;
    }

    sd_bus* bus_ = nullptr;
    int pipe_[2] = {-1, -1};
    std::atomic<bool> ended_{false};
    std::string what_;
    bool ready_ = false;
    std::thread thread_;
};

class InhibitionTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(mkdtemp(folder_.data()), nullptr);
        files_ = {folder_ + "/loaded", folder_ + "/load_disabled"};
        std::ofstream(files_.loaded) << "0\n";
        std::ofstream(files_.load_disabled) << "0\n";
        setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + folder_ + "/nobody").c_str(), 1);
    }
    void TearDown() override {
        unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
        for (const char* name : {"/loaded", "/load_disabled", "/bus", "/bus.conf"}) unlink((folder_ + name).c_str());
        rmdir(folder_.c_str());
    }
    std::string folder_ = "/tmp/smmuman-inhibition-XXXXXX";
    Inhibition::KernelFiles files_;
};

TEST_F(InhibitionTest, SleepIsHeldOffUntilTheServiceEnds) {
    const PrivateBus bus(folder_);
    ASSERT_TRUE(bus.ready());
    LoginManager manager;
    ASSERT_TRUE(manager.ready());
    std::vector<std::string> remarks;
    auto held = std::optional(Inhibition::take(remarks, files_));
    EXPECT_TRUE(held->holds_off_sleep());
    EXPECT_EQ(manager.what(), "sleep block");
    EXPECT_TRUE(remarks.empty());
    EXPECT_FALSE(manager.released());
    held.reset();
    EXPECT_TRUE(manager.released());
}

TEST_F(InhibitionTest, WithoutALoginManagerTheServiceSaysSo) {
    std::vector<std::string> remarks;
    EXPECT_FALSE(Inhibition::take(remarks, files_).holds_off_sleep());
    ASSERT_EQ(remarks.size(), 1u);
    EXPECT_NE(remarks.front().find("sleep is not held off"), std::string::npos);
}

TEST_F(InhibitionTest, NoKernelCanBeLoadedAnyMore) {
    std::vector<std::string> remarks;
    Inhibition::take(remarks, files_);
    EXPECT_EQ(content(files_.load_disabled).substr(0, 1), "1");
}

TEST_F(InhibitionTest, AKernelThatIsLoadedAlreadyIsNamed) {
    std::ofstream(files_.loaded) << "1\n";
    std::vector<std::string> remarks;
    Inhibition::take(remarks, files_);
    EXPECT_NE(remarks.back().find("kexec -u"), std::string::npos);
}

TEST_F(InhibitionTest, AKernelWithoutKexecNeedsNothing) {
    unlink(files_.loaded.c_str());
    unlink(files_.load_disabled.c_str());
    std::vector<std::string> remarks;
    Inhibition::take(remarks, files_);
    EXPECT_EQ(remarks.size(), 1u);  // that of sleep
}

}  // namespace
}  // namespace smmu::daemon

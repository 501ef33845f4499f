// SPDX-License-Identifier: Apache-2.0
// FakeService: a service that answers what a test tells it to. A thread of its own; sockets in a
// folder that goes away with it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/connection.hpp"

namespace smmu::client {

// One request as it arrived, and what to answer.
struct Received {
    protocol::Opcode opcode;
    std::vector<std::byte> body;
    std::vector<std::byte> payload;
    protocol::Descriptors descriptors;

    template <class T>
    T as() const {
        return protocol::body_as<T>(body);
    }
};
struct Answer {
    int error = 0;
    std::string text;
    std::vector<std::byte> body;
    std::vector<std::byte> payload;
    int descriptor = -1;
    bool silent = false;  // no answer
    bool hang_up = false;

    template <class T>
    static Answer of(const T& value) {
        const auto bytes = protocol::bytes_of(value);
        Answer answer;
        answer.body.assign(bytes.begin(), bytes.end());
        return answer;
    }
    static Answer done(std::int32_t result = 0) { return of(protocol::Outcome{result, 0}); }
    static Answer refusal(int error, std::string text) {
        Answer answer;
        answer.error = error;
        answer.text = std::move(text);
        return answer;
    }
};

class FakeService {
public:
    FakeService();
    ~FakeService();
    FakeService(const FakeService&) = delete;
    FakeService& operator=(const FakeService&) = delete;

    void start();
    void stop();  // ends all connections, leaves the socket's name behind as a crash does

    // Answers for one command; without it, success.
    void on(protocol::Opcode opcode, std::function<Answer(Received&)> script);
    std::vector<protocol::Opcode> seen();  // commands in order, without hello
    const std::string& path() const { return path_; }

    // Records that wait, and the doorbells, as the real service handles them.
    void refuse_access(const protocol::EventRecord& record);

private:
    void run();
    bool serve(const protocol::Connection& connection);
    Answer answer(Received& request);
    Answer standard(Received& request);
    Answer events(const Received& request);

    std::string folder_, path_;
    std::thread thread_;
    UniqueFd listener_, stop_reading_, stop_writing_;
    std::mutex mutex_;
    std::map<protocol::Opcode, std::function<Answer(Received&)>> scripts_;
    std::vector<protocol::Opcode> seen_;
    std::uint32_t last_object_ = 0;
    std::uint64_t instance_ = 0;
    std::deque<protocol::EventRecord> records_;
    UniqueFd notification_, wake_channel_;
};

// The errno of a call that fails; 0 when it does not.
template <class Call>
int failure(Call call) {
    errno = 0;
    const long result = call();
    return result == -1 ? errno : 0;
}

// A service, SMMUMAN_SOCKET pointing at it, and a library that is not connected before and after.
class ClientTest : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;
    FakeService service;
};

}  // namespace smmu::client

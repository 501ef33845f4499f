// SPDX-License-Identifier: Apache-2.0
// Stage: what the demonstration plays on: an emulated board, its memory, and the programs that run
// on it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "edu.h"
#include "link/client.hpp"
#include "program.hpp"
#include "unit_kind.hpp"

namespace demo {

using smmu::fail;
using smmu::Result;

// "0x4001000"
std::string hex(std::uint64_t value);

// Prints what was checked and holds; an error when it does not.
Result<void> claim(bool holds, const std::string& what);

class Stage {
public:
    // Programs are in `programs`, logs and sockets go to `directory`.
    Stage(std::string programs, std::string directory, std::string board);
    ~Stage();

    Result<void> start_board();
    // Returns when the service has said that every unit is contained; how long that took.
    Result<Patience> start_service();
    // Returns when the driver has its buffer, whose physical address this is.
    Result<std::uint64_t> start_driver();
    Result<void> start_monitor();

    // The driver carries an order out.
    Result<void> order(const std::string& words);
    // The driver is told to let the device write to `address`, as a bug would.
    Result<void> stray(std::uint64_t address) { return order("stray " + hex(address)); }
    // The monitor reports the refused write, with the words that name owner and cause.
    Result<void> reported(std::uint64_t address, std::initializer_list<std::string> words);
    // Runs a program to its end: what it printed, or an error when it fails.
    Result<std::string> run(const std::string& program, std::vector<std::string> words);
    // Waits until `smmuctl devices` has a line for the device with `word` in it.
    Result<void> device_shown(const std::string& word);

    std::span<unsigned char> memory(std::uint64_t physical, std::size_t length);
    bool all(std::uint64_t physical, std::size_t length, unsigned char value);

    smmu::link::Client& client() { return *client_; }
    struct machine* machine() { return machine_; }
    const UnitKind& unit() const { return unit_kind(windows_.front().physical); }
    const machine_device& edu() const { return edu_; }
    const std::string& device_name() const { return device_name_; }
    const std::string& directory() const { return directory_; }
    std::string machine_log() const { return read_file(machine_log_path_); }

    // Each has its process; the story ends and restarts them.
    std::unique_ptr<Program> board, service, monitor, driver;

private:
    std::string log(const std::string& name) { return directory_ + "/" + name + ".log"; }
    std::string program(const std::string& name) const { return programs_ + "/" + name; }

    std::string programs_, directory_, board_name_;
    std::string device_name_;   // as the service prints it
    std::string device_place_;  // as the examples take it
    std::string machine_log_path_;
    std::unique_ptr<smmu::link::Client> client_;
    smmu::UniqueFd ram_;
    struct Window {
        std::uint64_t physical;
        std::span<unsigned char> bytes;
    };
    std::vector<Window> windows_;
    struct machine* machine_ = nullptr;
    machine_device edu_{};
    int runs_ = 0;
};

}  // namespace demo

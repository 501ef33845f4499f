// SPDX-License-Identifier: Apache-2.0
// Stage: what the demonstration plays on: an emulated or modelled board, its memory, and the
// programs that run on it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "dma_engine.h"
#include "link/client.hpp"
#include "program.hpp"
#include "unit_kind.hpp"

namespace demo {

using smmu::fail;
using smmu::Result;

// "0x4001000"
std::string hex(std::uint64_t value);

// As service and monitor print it.
std::string device_name(const machine_device& device);

// Prints what was checked and holds; an error when it does not.
Result<void> claim(bool holds, const std::string& what);

class Stage {
public:
    // Programs are in `programs`, logs and sockets go to `directory`. Of a board "model-WHAT" the
    // description is WHAT.json in the folder that SMMU_BOARDS names.
    Stage(std::string programs, std::string directory, std::string name, const UnitKind& unit);
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
    // The monitor reports the refused write of the story's device, with the words that name owner and cause.
    Result<void> reported(std::uint64_t address, std::initializer_list<std::string> words);
    // The same of a device that is blocked: hardware may not tell which one it was.
    Result<void> reported_while_blocked(std::uint64_t address);
    // The monitor's next line with all of these words.
    Result<void> reported(std::vector<std::string> words);
    // Runs a program to its end: what it printed, or an error when it fails.
    Result<std::string> run(const std::string& program, std::vector<std::string> words);
    // Waits until `smmuctl devices` has a line for the device with `word` in it.
    Result<void> device_shown(const std::string& word);

    std::span<unsigned char> memory(std::uint64_t physical, std::size_t length);
    bool all(std::uint64_t physical, std::size_t length, unsigned char value);

    smmu::link::Client& client() { return *client_; }
    struct machine* machine() { return machine_; }
    const UnitKind& unit() const { return unit_; }
    const std::string& board_name() const { return name_; }
    bool is_model() const { return name_ != board_name_; }
    const machine_device& engine() const { return engine_; }
    const std::string& device_name() const { return device_name_; }
    const std::string& directory() const { return directory_; }
    std::string machine_log() const { return read_file(machine_log_path_); }

    // Each has its process; the story ends and restarts them.
    std::unique_ptr<Program> board, service, monitor, driver;

private:
    // What the monitor says of a write, where hardware tells it from a read.
    std::string write_word() const { return unit_.tells_direction ? " write " : " access "; }
    std::string log(const std::string& name) { return directory_ + "/" + name + ".log"; }
    std::string program(const std::string& name) const { return programs_ + "/" + name; }

    std::vector<std::string> board_words() const;    // that start the board
    std::vector<std::string> service_words() const;  // that start the service

    std::string programs_, directory_;
    std::string name_;         // as the story's user says it
    std::string board_name_;   // as the board calls itself
    const UnitKind& unit_;
    std::string device_name_;  // as the service prints it
    std::string machine_log_path_;
    std::unique_ptr<smmu::link::Client> client_;
    smmu::UniqueFd ram_;
    struct Window {
        std::uint64_t physical;
        std::span<unsigned char> bytes;
    };
    std::vector<Window> windows_;
    struct machine* machine_ = nullptr;
    machine_device engine_{};
    int runs_ = 0;
};

}  // namespace demo

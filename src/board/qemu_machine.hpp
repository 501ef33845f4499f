// SPDX-License-Identifier: Apache-2.0
// QemuMachine: a machine in QEMU whose processor is halted, so that nothing but we drives its
// devices. Firmware's work is done: devices have addresses, buses have numbers, tables are there.
#pragma once

#include <memory>
#include <string>

#include "board/boot.hpp"
#include "board/description.hpp"
#include "board/machine.hpp"
#include "board/qemu_process.hpp"
#include "board/qtest.hpp"

namespace smmu::board {

class QemuMachine final : public Machine {
public:
    // Returns when firmware's work is done. `run_directory` takes the code that halts the
    // processor, the monitor's socket and, unless the description names a log, the log.
    static Result<std::unique_ptr<QemuMachine>> start(const Description& board,
                                                      const std::string& run_directory);

    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return tables_; }
    int ram() const override { return ram_.get(); }
    Result<void> perform(std::span<const link::Operation> operations,
                         std::span<std::uint64_t> values) override {
        return qtest_.perform(operations, values);
    }

    const QemuProcess& process() const { return process_; }
    const std::string& monitor_path() const { return monitor_path_; }  // QMP, for people and tests

private:
    QemuMachine(QemuProcess process, UniqueFd qtest, UniqueFd ram)
        : process_(std::move(process)), qtest_(std::move(qtest)), ram_(std::move(ram)) {}

    Result<void> finish(const Boot& boot, const Description& board);

    QemuProcess process_;
    Qtest qtest_;
    UniqueFd ram_;
    link::MachineDescription description_;
    std::vector<link::FirmwareTable> tables_;
    std::string monitor_path_;
};

}  // namespace smmu::board

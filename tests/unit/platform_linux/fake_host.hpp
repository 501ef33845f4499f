// SPDX-License-Identifier: Apache-2.0
// FakeHost: a folder with the files in which a kernel tells about its machine.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "platform/linux/host_files.hpp"
#include "platform/linux/linux_platform.hpp"

namespace smmu::platform::linux::test {

class FakeHost {
public:
    FakeHost() {
        EXPECT_NE(mkdtemp(root_.data()), nullptr);
        write("/proc/iomem", "00001000-0009fbff : System RAM\n"
                             "000a0000-000fffff : Reserved\n"
                             "00100000-0fffffff : System RAM\n"
                             "  01000000-01ffffff : Kernel code\n"
                             "10000000-10ffffff : Reserved\n"
                             "20000000-2fffffff : PCI Bus 0000:00\n"
                             "  20000000-20000fff : 0000:00:03.0\n");
        firmware_memory(0, "System RAM", "0x0", "0x9fbff");
        firmware_memory(1, "System RAM", "0x100000", "0x103fffff");
        firmware_memory(2, "System RAM", "0x10400000", "0x10ffffff");
        firmware_memory(3, "Reserved", "0x1f000000", "0x1fffffff");
        folder("/sys/class");
        folder("/sys/kernel");
        write("/proc/sys/kernel/random/boot_id", "00010203-0405-0607-0809-0a0b0c0d0eff\n");
    }
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;
    ~FakeHost() { std::filesystem::remove_all(root_); }

    void write(const std::string& file, std::string_view text) const {
        std::filesystem::create_directories(std::filesystem::path(root_ + file).parent_path());
        std::ofstream(root_ + file, std::ios::binary) << text;
    }
    void firmware_memory(unsigned entry, std::string_view type, std::string_view first, std::string_view last) const {
        const std::string folder = "/sys/firmware/memmap/" + std::to_string(entry);
        write(folder + "/type", std::string(type) + "\n");
        write(folder + "/start", std::string(first) + "\n");
        write(folder + "/end", std::string(last) + "\n");
    }
    void write_at(const std::string& file, std::uint64_t offset, std::uint64_t word) const {
        if (!std::filesystem::exists(root_ + file)) write(file, "");
        std::fstream opened(root_ + file, std::ios::binary | std::ios::in | std::ios::out);
        opened.seekp(std::streamoff(offset));
        opened.write(reinterpret_cast<const char*>(&word), sizeof word);
    }
    std::uint64_t word_at(const std::string& file, std::uint64_t offset) const {
        std::ifstream opened(root_ + file, std::ios::binary);
        opened.seekg(std::streamoff(offset));
        std::uint64_t word = 0;
        opened.read(reinterpret_cast<char*>(&word), sizeof word);
        return word;
    }
    // A file of zeros, without a byte on the disk.
    void make_room(const std::string& file, std::uint64_t bytes) const {
        write(file, "");
        std::filesystem::resize_file(root_ + file, bytes);
    }
    void folder(const std::string& path) const { std::filesystem::create_directories(root_ + path); }
    void link(const std::string& path, const std::string& target) const {
        std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
        std::filesystem::create_symlink(target, root_ + path);
    }
    void remove(const std::string& path) const { std::filesystem::remove_all(root_ + path); }

    HostFiles files() const { return HostFiles(root_); }
    Places places() const { return {root_, root_ + "/no-holder", root_ + "/lock", root_ + "/tables"}; }
    std::unique_ptr<Platform> open() const {
        auto opened = linux::open(places());
        EXPECT_TRUE(opened) << opened.error().text;
        return opened ? std::move(*opened) : nullptr;
    }

private:
    std::string root_ = std::filesystem::temp_directory_path().string() + "/smmu-host-XXXXXX";
};

}  // namespace smmu::platform::linux::test

// SPDX-License-Identifier: Apache-2.0
#include "tests/models/common/model/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

namespace smmu::model {
namespace {

UniqueFd ram_file(std::uint64_t bytes) {
    UniqueFd file(memfd_create("smmu-model-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (!file || ftruncate(file.get(), off_t(bytes)) != 0 ||
        fcntl(file.get(), F_ADD_SEALS, seals) != 0)
        throw std::runtime_error("no file for RAM");
    return file;
}

}  // namespace

Mapping::Mapping(int file, std::uint64_t bytes) : bytes_(bytes) {
    const int flags = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
    if (start == MAP_FAILED) throw std::runtime_error("RAM cannot be mapped");
    start_ = static_cast<std::byte*>(start);
}

Mapping::~Mapping() {
    munmap(start_, bytes_);
}

Memory::Memory(std::uint64_t bytes, std::uint64_t base)
    : base_(base), bytes_(bytes), file_(ram_file(bytes)), mapping_(file_.get(), bytes) {}

View::View(const Memory& memory, bool has_cache, bool has_write_buffer) : memory_(memory) {
    if (has_cache) cleaned_.emplace(-1, memory.bytes());
    if (has_write_buffer) flushed_.emplace(-1, memory.bytes());
}

const std::byte* View::behind_cache() const {
    return cleaned_ ? cleaned_->start() : memory_.at(memory_.base());
}

const std::byte* View::seen() const {
    return flushed_ ? flushed_->start() : behind_cache();
}

std::uint64_t View::load(std::uint64_t address) const {
    std::uint64_t value = 0;
    std::memcpy(&value, seen() + (address - memory_.base()), sizeof value);
    return value;
}

void View::store(std::uint64_t address, std::uint64_t value) {
    memory_.store(address, value);
    for (const auto* stage : {&cleaned_, &flushed_})
        if (*stage)
            std::memcpy((*stage)->start() + (address - memory_.base()), &value, sizeof value);
}

void View::clean(PhysRange range) {
    if (cleaned_)
        std::memcpy(cleaned_->start() + (range.first.value - memory_.base()),
                    memory_.at(range.first.value), range.length());
}

// Only what was ever written takes room in the file: the rest is zero on both sides.
void View::flush_write_buffer() {
    if (!flushed_) return;
    for (off_t at = lseek(memory_.file(), 0, SEEK_DATA); at >= 0;) {
        const off_t end = lseek(memory_.file(), at, SEEK_HOLE);
        if (end < 0) break;
        std::memcpy(flushed_->start() + at, behind_cache() + at, std::size_t(end - at));
        at = lseek(memory_.file(), end, SEEK_DATA);
    }
}

bool View::visible(PhysRange range) const {
    return std::memcmp(seen() + (range.first.value - memory_.base()), memory_.at(range.first.value),
                       range.length()) == 0;
}

}  // namespace smmu::model

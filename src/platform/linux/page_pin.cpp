// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/page_pin.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

namespace smmu::platform::linux {

namespace {

constexpr std::string_view size_limit = "/sys/module/udmabuf/parameters/size_limit_mb";
constexpr std::uint64_t usual_size_limit = 64;  // MiB of one buffer, unless the kernel was told otherwise
constexpr std::size_t most_items = 1024;        // of one buffer, likewise

// udmabuf_create_list without the array at its end, which is no C++.
struct RequestHead {
    std::uint32_t flags;
    std::uint32_t count;
};
static_assert(sizeof(RequestHead) == sizeof(udmabuf_create_list));

std::uint64_t largest_buffer(const HostFiles& files) {
    return files.number(size_limit).value_or(usual_size_limit) << 20;
}

// The request with its items behind it, as the kernel reads it. Pages in a row in the file are one item.
std::vector<std::byte> request_for(int memory, std::span<const std::uint32_t> pages, std::uint64_t page_bytes) {
    std::vector<udmabuf_create_item> items;
    for (const std::uint32_t page : pages) {
        const std::uint64_t offset = page * page_bytes;
        if (!items.empty() && items.back().offset + items.back().size == offset)
            items.back().size += page_bytes;
        else
            items.push_back({std::uint32_t(memory), 0, offset, page_bytes});
    }
    const RequestHead head{UDMABUF_FLAGS_CLOEXEC, std::uint32_t(items.size())};
    std::vector<std::byte> request(sizeof head + items.size() * sizeof items[0]);
    std::memcpy(request.data(), &head, sizeof head);
    std::memcpy(request.data() + sizeof head, items.data(), items.size() * sizeof items[0]);
    return request;
}

}  // namespace

// The first udmabuf that took huge pages (Linux 5.14) was withdrawn in 6.4 and the stable kernels of that time; 6.11 has one that
// pins them.
Error why_not_pinned(int code, std::uint64_t bytes) {
    std::string text = fmt::format("the kernel does not pin {} MiB of huge pages (udmabuf): {}", bytes >> 20, std::strerror(code));
    if (code == EBADFD) text += "; kernels before Linux 6.11 take no huge pages: this needs a newer one";
    return {code, std::move(text)};
}

Result<std::vector<UniqueFd>> pin_pages(const HostFiles& files, const UniqueFd& memory, std::span<const std::uint32_t> pages,
                                        std::uint64_t page_bytes, Holes holes) {
    if (largest_buffer(files) < page_bytes)
        return fail(EINVAL, fmt::format("huge pages of {0} MiB are larger than what udmabuf takes at once, {1} MiB: write {0} to {2}, or start "
                                        "the kernel with udmabuf.size_limit_mb={0}", page_bytes >> 20, largest_buffer(files) >> 20, size_limit));
    const std::string path = files.path("/dev/udmabuf");
    const UniqueFd device(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device)
        return fail(errno, fmt::format("{}: {}; memory can be held in place only by it: load the kernel's module udmabuf, and run smmuman "
                                       "as root", path, std::strerror(errno)));
    const std::size_t at_once = std::min<std::size_t>(largest_buffer(files) / page_bytes, most_items);
    std::vector<UniqueFd> pins;
    while (!pages.empty()) {
        if (holes == Holes::refused) SMMU_CHECK(check_filled(memory));
        const auto now = pages.first(std::min(at_once, pages.size()));
        auto request = request_for(memory.get(), now, page_bytes);
        const int buffer = ioctl(device.get(), UDMABUF_CREATE_LIST, request.data());
        if (buffer < 0) return std::unexpected(why_not_pinned(errno, now.size() * page_bytes));
        pins.emplace_back(buffer);
        pages = pages.subspan(now.size());
    }
    return pins;
}

}  // namespace smmu::platform::linux

// SPDX-License-Identifier: Apache-2.0
#include "firmware/flat_tree.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>

namespace smmu::firmware {
namespace {

std::unexpected<Error> refuse(std::string_view reason) {
    return fail(EINVAL, fmt::format("device tree: {}; it is refused", reason));
}

// libfdt reads a name to its end for each property that has it: one long name would be read very often.
bool has_long_string(std::span<const std::byte> strings) {
    std::size_t length = 0;
    for (const std::byte byte : strings) {
        length = byte == std::byte{0} ? 0 : length + 1;
        if (length > longest_tree_name) return true;
    }
    return false;
}

}  // namespace

std::uint32_t Cells::operator[](std::size_t i) const {
    std::uint32_t value = 0;
    for (const std::byte byte : bytes_.subspan(4 * i, 4)) value = value << 8 | std::to_integer<std::uint32_t>(byte);
    return value;
}

std::optional<std::uint64_t> Cells::wide(std::size_t i, std::size_t cells) const {
    std::uint64_t value = 0;
    for (std::size_t k = 0; k < cells; ++k) {
        if (value >> 32 != 0) return std::nullopt;
        value = value << 32 | (*this)[i + k];
    }
    return value;
}

Result<FlatTree> FlatTree::open(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(fdt_header)) return refuse(fmt::format("{} bytes are too few", bytes.size()));
    if (bytes.size() > largest_tree_bytes)
        return refuse(fmt::format("{} bytes are more than the {} that are read", bytes.size(), largest_tree_bytes));
    FlatTree tree(bytes);
    SMMU_CHECK(tree.check());
    SMMU_CHECK(tree.walk());
    return Result<FlatTree>(std::move(tree));
}

Result<void> FlatTree::check() const {
    const void* fdt = blob_.data();
    if (const int error = fdt_check_header(fdt); error != 0) return refuse(fmt::format("its header is wrong: {}", fdt_strerror(error)));
    if (fdt_totalsize(fdt) > blob_.size())
        return refuse(fmt::format("it says {} bytes but there are {}", fdt_totalsize(fdt), blob_.size()));
    const std::size_t strings = fdt_off_dt_strings(fdt);
    if (strings > blob_.size()) return refuse("its names lie outside");
    const std::size_t length = std::min<std::size_t>(fdt_size_dt_strings(fdt), blob_.size() - strings);
    if (has_long_string(std::span(blob_).subspan(strings, length)))
        return refuse(fmt::format("a property's name has more than {} characters", longest_tree_name));
    if (const int error = fdt_check_full(fdt, blob_.size()); error != 0)
        return refuse(fmt::format("its structure is wrong: {}", fdt_strerror(error)));
    return {};
}

Result<void> FlatTree::walk() {
    const void* fdt = blob_.data();
    std::vector<Node> above;  // from the root to the node before
    int depth = 0;
    for (int offset = fdt_next_node(fdt, -1, &depth); offset >= 0 && depth >= 0; offset = fdt_next_node(fdt, offset, &depth)) {
        // libfdt counts the first node as one below nothing.
        const auto level = std::size_t(depth) - 1;
        if (nodes_.size() == most_tree_nodes) return refuse(fmt::format("it has more than {} nodes", most_tree_nodes));
        if (level > deepest_tree_node || level > above.size()) return refuse("its nodes are nested too deep");
        if (level == 0 && !nodes_.empty()) return refuse("it has two roots");
        int length = 0;
        const char* name = fdt_get_name(fdt, offset, &length);
        if (name == nullptr || std::size_t(length) > longest_tree_name) return refuse("a node's name is missing or too long");
        above.resize(level);
        const auto node = Node(nodes_.size());
        const std::optional<Node> parent = above.empty() ? std::nullopt : std::optional(above.back());
        const std::size_t path_bytes = (parent ? nodes_[*parent].path_bytes + 1 : 0) + std::size_t(length);
        if (path_bytes > longest_tree_path) return refuse("a node's path is too long");
        nodes_.push_back({offset, parent, {name, std::size_t(length)}, false, path_bytes});
        nodes_[node].enabled = says_okay(node) && (!parent || nodes_[*parent].enabled);
        above.push_back(node);
        for (const std::string_view word : {"phandle", "linux,phandle"})
            if (const auto phandle = number(node, word)) {
                phandles_[*phandle].push_back(node);
                break;
            }
    }
    if (nodes_.empty()) return refuse("it has no root");
    return {};
}

std::optional<FlatTree::Node> FlatTree::parent(Node node) const {
    return nodes_[node].parent;
}

std::string FlatTree::path(Node node) const {
    std::string path;
    for (Node at = node; nodes_[at].parent; at = *nodes_[at].parent) path = fmt::format("/{}{}", nodes_[at].name, path);
    return path.empty() ? "/" : path;
}

std::optional<std::span<const std::byte>> FlatTree::property(Node node, std::string_view name) const {
    int length = 0;
    const void* value = fdt_getprop_namelen(blob_.data(), nodes_[node].offset, name.data(), int(name.size()), &length);
    if (value == nullptr || length < 0) return std::nullopt;
    return std::span(static_cast<const std::byte*>(value), std::size_t(length));
}

Cells FlatTree::cells(Node node, std::string_view name) const {
    return Cells(property(node, name).value_or(std::span<const std::byte>{}));
}

std::optional<std::uint32_t> FlatTree::number(Node node, std::string_view name) const {
    const Cells value = cells(node, name);
    return value.size() != 0 ? std::optional(value[0]) : std::nullopt;
}

std::vector<std::string> FlatTree::texts(Node node, std::string_view name) const {
    std::vector<std::string> texts;
    std::string text;
    for (const std::byte byte : property(node, name).value_or(std::span<const std::byte>{})) {
        const char c = std::to_integer<char>(byte);
        if (c != 0) {
            text += c >= 0x20 && c < 0x7f ? c : '?';
        } else {
            texts.push_back(std::move(text));
            text.clear();
        }
    }
    if (!text.empty()) texts.push_back(std::move(text));
    return texts;
}

bool FlatTree::is_terminated(Node node, std::string_view name) const {
    const auto value = property(node, name);
    return !value || value->empty() || value->back() == std::byte{0};
}

bool FlatTree::says_okay(Node node) const {
    if (!has(node, "status")) return true;
    const auto status = texts(node, "status");
    return !status.empty() && (status[0] == "okay" || status[0] == "ok");
}

std::optional<FlatTree::Node> FlatTree::by_phandle(std::uint32_t phandle) const {
    const auto at = phandles_.find(phandle);
    if (at == phandles_.end() || at->second.size() != 1) return std::nullopt;
    return at->second.front();
}

std::vector<PhysRange> FlatTree::reservations() const {
    std::vector<PhysRange> ranges;
    const int count = fdt_num_mem_rsv(blob_.data());
    for (int i = 0; i < count; ++i) {
        std::uint64_t address = 0, size = 0;
        if (fdt_get_mem_rsv(blob_.data(), i, &address, &size) != 0) continue;
        if (const auto range = PhysRange::from_length(PhysAddr{address}, size)) ranges.push_back(*range);
    }
    return ranges;
}

}  // namespace smmu::firmware

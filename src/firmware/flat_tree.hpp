// SPDX-License-Identifier: Apache-2.0
// FlatTree: a flattened device tree whose structure has been checked (Devicetree Specification 0.4, chapter 5): its
// nodes, their parents and their properties. Inside this room only; what leaves it are values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

// No machine comes near any of these; a tree beyond them is refused, so that a hostile one costs little.
inline constexpr std::size_t largest_tree_bytes = std::size_t{4} << 20;
inline constexpr std::size_t most_tree_nodes = 65536;
inline constexpr std::size_t deepest_tree_node = 32;
inline constexpr std::size_t longest_tree_name = 255;  // of a node or a property
inline constexpr std::size_t longest_tree_path = 1024;

// The value of a property as big-endian numbers of 32 bits.
class Cells {
public:
    explicit Cells(std::span<const std::byte> bytes) : bytes_(bytes) {}
    std::size_t size() const { return bytes_.size() / 4; }  // whole ones
    bool ragged() const { return bytes_.size() % 4 != 0; }
    std::uint32_t operator[](std::size_t i) const;
    // The number that `cells` cells from `i` on give, nothing when it is beyond 64 bits. All must exist.
    std::optional<std::uint64_t> wide(std::size_t i, std::size_t cells) const;

private:
    std::span<const std::byte> bytes_;
};

class FlatTree {
public:
    using Node = std::uint32_t;  // in the order of the tree: parents before children; 0 is the root
    static constexpr Node root = 0;

    FlatTree(FlatTree&&) = default;
    FlatTree(const FlatTree&) = delete;  // names point into the bytes
    FlatTree& operator=(FlatTree&&) = delete;
    FlatTree& operator=(const FlatTree&) = delete;
    ~FlatTree() = default;

    // EINVAL with the reason when the tree cannot be trusted as a whole.
    static Result<FlatTree> open(std::span<const std::byte> bytes);

    std::size_t size() const { return nodes_.size(); }
    std::string_view name(Node node) const { return nodes_[node].name; }
    std::string path(Node node) const;
    topology::Origin at(Node node) const { return {"dtb " + path(node)}; }
    std::optional<Node> parent(Node node) const;

    std::optional<std::span<const std::byte>> property(Node node, std::string_view name) const;
    bool has(Node node, std::string_view name) const { return property(node, name).has_value(); }
    Cells cells(Node node, std::string_view name) const;  // none when there is no such property
    // The first cell; nothing when there is none.
    std::optional<std::uint32_t> number(Node node, std::string_view name) const;
    // The texts of a list, the last one even when its terminating zero is missing.
    std::vector<std::string> texts(Node node, std::string_view name) const;
    bool is_terminated(Node node, std::string_view name) const;

    // Neither the node nor one above it has a status other than "okay".
    bool enabled(Node node) const { return nodes_[node].enabled; }

    // Nothing when no node or more than one has it.
    std::optional<Node> by_phandle(std::uint32_t phandle) const;
    const std::map<std::uint32_t, std::vector<Node>>& phandles() const { return phandles_; }
    // The memory reservation block.
    std::vector<PhysRange> reservations() const;

private:
    struct TreeNode {
        int offset;
        std::optional<Node> parent;
        std::string_view name;
        bool enabled;
        std::size_t path_bytes;
    };

    explicit FlatTree(std::span<const std::byte> bytes) : blob_(bytes.begin(), bytes.end()) {}
    Result<void> check() const;
    Result<void> walk();
    bool says_okay(Node node) const;

    std::vector<std::byte> blob_;  // a copy: libfdt wants it aligned
    std::vector<TreeNode> nodes_;
    std::map<std::uint32_t, std::vector<Node>> phandles_;
};

}  // namespace smmu::firmware

// SPDX-License-Identifier: Apache-2.0
// Device trees of tests/data/dtb as facts.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/assert.hpp"
#include "firmware/device_tree.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {

inline firmware::DeviceTree tree_of(const std::string& file) {
    const auto bytes = bytes_of(data_folder() / "dtb" / file);
    auto tree = firmware::parse_device_tree(bytes);
    EXPECT_TRUE(tree) << file << ": " << tree.error().text;
    return tree ? std::move(*tree) : firmware::DeviceTree{};
}

// The unit, master, host or region of a path.
template <class Item>
const Item& at_path(const std::vector<Item>& items, const std::string& path) {
    const auto at = std::ranges::find(items, path, &Item::path);
    SMMU_ASSERT(at != items.end());
    return *at;
}

inline bool has_finding(const firmware::DeviceTree& tree, std::string_view id) {
    return std::ranges::find(tree.findings, id, &topology::Finding::id) != tree.findings.end();
}

}  // namespace smmu::test

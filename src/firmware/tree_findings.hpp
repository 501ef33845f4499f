// SPDX-License-Identifier: Apache-2.0
// TreeFindings: what is wrong with a device tree, up to a number that a person can read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firmware/device_tree.hpp"
#include "firmware/flat_tree.hpp"

namespace smmu::firmware {

class TreeFindings {
public:
    explicit TreeFindings(const FlatTree& tree) : tree_(tree) {}

    void add(std::string_view id, topology::Severity severity, FlatTree::Node node, std::string text) {
        if (findings_.size() < most_tree_findings)
            findings_.push_back({std::string(id), severity, tree_.at(node), std::move(text)});
        else
            ++left_out_;
    }
    std::vector<topology::Finding> take();

private:
    const FlatTree& tree_;
    std::vector<topology::Finding> findings_;
    std::size_t left_out_ = 0;
};

}  // namespace smmu::firmware

// SPDX-License-Identifier: Apache-2.0
// Table: columns of text, each as wide as its widest cell.
#pragma once

#include <string>
#include <vector>

namespace smmu::cli {

class Table {
public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    // One line a row; no spaces at the end of a line.
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// Complaints: what the driver did that the specification calls undefined, illegal or unpredictable.
#pragma once

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace smmu::model {

class Complaints {
public:
    static constexpr std::size_t most = 1000;

    // Each further complaint is also appended to this file, as a line "COMPLAINT: ...".
    void write_to(const std::string& path) { file_.open(path, std::ios::app); }

    // The same words again say nothing new.
    void add(std::string text) {
        if (texts_.size() == most || std::ranges::find(texts_, text) != texts_.end()) return;
        if (file_.is_open()) file_ << "COMPLAINT: " << text << std::endl;
        texts_.push_back(std::move(text));
    }
    const std::vector<std::string>& all() const { return texts_; }
    bool have(std::string_view words) const {
        return std::ranges::any_of(
            texts_, [&](const std::string& text) { return text.find(words) != std::string::npos; });
    }

private:
    std::vector<std::string> texts_;
    std::ofstream file_;
};

}  // namespace smmu::model

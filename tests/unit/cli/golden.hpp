// SPDX-License-Identifier: Apache-2.0
// Golden: a text against the file that holds what it should be. With UPDATE_GOLDEN=1 the file is written instead: read
// the difference before it is committed.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace smmu::test {

inline void expect_golden(const std::string& name, const std::string& text) {
    const std::string path = std::string(SMMU_SOURCE_DIR "/tests/unit/cli/golden/") + name;
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << text;
        return;
    }
    std::ifstream file(path, std::ios::binary);
    ASSERT_TRUE(file) << path << " is missing: UPDATE_GOLDEN=1 writes it";
    const std::string expected{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text, expected) << name << ": if this is how it should be, UPDATE_GOLDEN=1 writes it";
}

}  // namespace smmu::test

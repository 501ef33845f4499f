// SPDX-License-Identifier: Apache-2.0
// ObjectRegistry: which values of `struct smmu_object *` mean something. The value is a serial
// number in the form of a pointer, never reused and never followed, so any value may be asked for.
#pragma once

#include <smmu.h>

#include <cstdint>
#include <optional>

namespace smmu::client {

class ObjectRegistry {
public:
    // A new handle for the service's object `number`; nullptr without memory.
    smmu_object* add(std::uint32_t number);
    // The service's number of a living object.
    std::optional<std::uint32_t> find(const smmu_object* handle) const;
    void remove(const smmu_object* handle);
    // Any living object, nullptr when there is none.
    smmu_object* any() const;
    void clear();
    // After fork(): the list may be half changed; leave it alone.
    void abandon() { first_ = nullptr; }

private:
    struct Object {
        Object* next;
        smmu_object* handle;
        std::uint32_t number;
    };
    Object* first_ = nullptr;
    std::uintptr_t last_serial_ = 0;
};

}  // namespace smmu::client

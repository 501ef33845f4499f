// SPDX-License-Identifier: Apache-2.0
#include "client/object_registry.hpp"

#include <cstdlib>

#include "base/assert.hpp"

namespace smmu::client {
namespace {

// Above every address that a program can have, so that a handle cannot be mistaken for memory, nor
// memory for a handle.
constexpr std::uintptr_t handle_base =
    sizeof(std::uintptr_t) == 8 ? std::uintptr_t{0x5} << (sizeof(void*) * 8 - 8) : 0;
// A pointer that was moved by a few bytes is no handle.
constexpr std::uintptr_t handle_step = 16;

}  // namespace

smmu_object* ObjectRegistry::add(std::uint32_t number) {
    auto* object = static_cast<Object*>(std::malloc(sizeof(Object)));
    if (object == nullptr) return nullptr;
    ++last_serial_;
    SMMU_ASSERT(last_serial_ < ~std::uintptr_t{0} / handle_step / 2);
    object->handle = reinterpret_cast<smmu_object*>(handle_base + last_serial_ * handle_step);
    object->number = number;
    object->next = first_;
    first_ = object;
    return object->handle;
}

std::optional<std::uint32_t> ObjectRegistry::find(const smmu_object* handle) const {
    for (const Object* object = first_; object != nullptr; object = object->next)
        if (object->handle == handle) return object->number;
    return std::nullopt;
}

void ObjectRegistry::remove(const smmu_object* handle) {
    for (Object** link = &first_; *link != nullptr; link = &(*link)->next) {
        if ((*link)->handle != handle) continue;
        Object* found = *link;
        *link = found->next;
        std::free(found);
        return;
    }
}

smmu_object* ObjectRegistry::any() const {
    return first_ != nullptr ? first_->handle : nullptr;
}

void ObjectRegistry::clear() {
    while (first_ != nullptr) remove(first_->handle);
}

}  // namespace smmu::client

// SPDX-License-Identifier: Apache-2.0
// Requests, root and context entries. The rest of the class: scalable.cpp, walk.cpp.
#include "tests/models/vtd/model/translator.hpp"

#include <fmt/format.h>

namespace smmu::model::vtd {
namespace {

constexpr std::uint64_t fault_disable = 2;

constexpr bool is_interrupt_address(std::uint64_t address) {
    return address >> 20 == 0xfee;
}

}  // namespace

void Translator::set_root(std::uint64_t root) {
    mode_ = Mode(root >> 10 & 3);
    interrupt_bits_ = (root >> 7 & 1) != 0;
    root_ = root & ~0xfffull;
}

Translator::Answer Translator::refuse(Fault fault, bool disabled) const {
    Answer answer;
    answer.outcome.reason = fault.reason;
    if (!disabled || !fault.qualified) answer.fault = fault;
    return answer;
}

std::expected<std::uint64_t, Fault> Translator::fetch(std::uint64_t address, Fault refused) {
    if (view_.contains(address, 8)) return view_.load(address);
    complain(fmt::format("a table pointer leads to {:#x}, outside RAM", address));
    return std::unexpected(refused);
}

// An untranslated write to FEEx_xxxx is an interrupt message in every mode (VT-d 5.10, 3.14); other
// accesses to that range are refused here without a record.
Translator::Answer Translator::translate(const Request& request) {
    if (mode_ == Mode::abort) return refuse({0x33, false}, false);
    if (mode_ == Mode::reserved) return refuse({0x30, false}, false);
    if (request.type == AddressType::untranslated && !request.pasid &&
        is_interrupt_address(request.address)) {
        Answer answer;
        answer.outcome.interrupt = request.write;
        return answer;
    }
    if (mode_ == Mode::legacy && request.pasid) return refuse({0x31, false}, false);
    const Context context = this->context(request.source);
    if (context.fault) return refuse(*context.fault, context.fault_disabled);
    if (const auto fault = refuses_kind(request, context))
        return refuse(*fault, context.fault_disabled);
    if (request.type == AddressType::translated) {
        Answer answer;
        answer.outcome = {
            .allowed = true, .address = request.address, .snooped = !request.no_snoop};
        if (request.address >> host_bits_ != 0)
            return refuse({std::uint8_t(mode_ == Mode::legacy ? 0x4 : 0x83), false}, false);
        return answer;
    }
    if (mode_ == Mode::legacy) return translate_in(request, context.space);
    const CachedSpace found =
        space(request.source, context, request.pasid.value_or(context.rid_pasid));
    if (found.fault) return refuse(*found.fault, found.space.fault_disabled);
    return translate_in(request, found.space);
}

// Whether this kind of request is not allowed for the device.
std::optional<Fault> Translator::refuses_kind(const Request& request,
                                              const Context& context) const {
    const bool scalable = mode_ == Mode::scalable;
    if (request.type != AddressType::untranslated && !context.device_tlb)
        return scalable ? Fault{0x44, false} : Fault{0xd, true};
    if (!request.pasid) return std::nullopt;
    if (!context.pasid_enabled) return Fault{0x45, false};
    if (*request.pasid >> features_.pasid_bits != 0) return Fault{0x89, false};
    if (*request.pasid >> context.directory_bits != 0) return Fault{0x46, false};
    if (*request.pasid == context.rid_pasid) return Fault{0x48, false};
    if (request.execute) return Fault{0x5c, true};
    return std::nullopt;
}

Translator::Answer Translator::translate_in(const Request& request, const Space& space) {
    const auto found = walk(request, space);
    const bool asks = request.type == AddressType::translation;
    if (!found) {
        // The answer to a translation request says that there is nothing; that is no fault.
        if (asks) return {.outcome = {.allowed = true}, .fault = std::nullopt};
        return refuse(found.error(), space.fault_disabled);
    }
    Answer answer;
    answer.outcome = {.allowed = true,
                      .address = found->page | (request.address & 0xfff),
                      .snooped = !request.no_snoop || found->snoop || space.force_snoop,
                      .read = found->read,
                      .write = found->write};
    if (asks) return answer;
    const bool may = request.write ? found->write : found->read;
    const bool first = space.has_first();
    if (!may && !space.scalable)
        return refuse({std::uint8_t(request.write ? 5 : 6), true}, space.fault_disabled);
    if (!may && !first) return refuse({0x79, true}, space.fault_disabled);
    if (!may && !found->read) return refuse({0x71, true}, space.fault_disabled);
    if (!may)
        return refuse({std::uint8_t(request.write ? 0x85 : 0x86), true}, space.fault_disabled);
    if (is_interrupt_address(answer.outcome.address))
        return refuse({std::uint8_t(space.scalable ? 0x87 : 0xe), true}, space.fault_disabled);
    return answer;
}

Context Translator::context(std::uint16_t source) {
    if (const auto cached = caches_.contexts.find(source); cached != caches_.contexts.end())
        return cached->second;
    bool fault_disabled = false;
    const auto walked = walk_context(source, fault_disabled);
    Context context;
    if (walked) {
        context = *walked;
        if (context.space.stage != Stage::none) check_domain(context.space);
    } else {
        context.fault = walked.error();
    }
    context.fault_disabled = context.space.fault_disabled = fault_disabled;
    // What is not present is cached under domain id 0, and only in caching mode.
    if (walked || features_.caching_mode) caches_.contexts[source] = context;
    return context;
}

std::expected<Context, Fault> Translator::walk_context(std::uint16_t source, bool& fault_disabled) {
    const bool scalable = mode_ == Mode::scalable;
    const std::uint64_t at = root_ + (source >> 8) * 16u;
    const Fault refused{std::uint8_t(scalable ? 0x38 : 8), false};
    const auto low = fetch(at, refused);
    const auto high = fetch(at + 8, refused);
    if (!low || !high) return std::unexpected(refused);
    const bool upper = scalable && (source & 0x80) != 0;
    const std::uint64_t entry = upper ? *high : *low;
    if ((entry & 1) == 0) return std::unexpected(Fault{std::uint8_t(scalable ? 0x39 : 1), false});
    if ((entry & (0xffe | beyond_host())) != 0 || entry >> 52 != 0 || (!scalable && *high != 0)) {
        complain(fmt::format("reserved bits in the root entry of bus {:#x}: {:#x} {:#x}",
                             source >> 8, *low, *high));
        return std::unexpected(Fault{std::uint8_t(scalable ? 0x3a : 0xa), false});
    }
    const std::uint64_t table = entry & address_bits();
    if (scalable) return scalable_context(table + (source & 0x7f) * 32u, fault_disabled);
    const Fault lost{9, false};
    const auto first = fetch(table + (source & 0xff) * 16u, lost);
    const auto second = fetch(table + (source & 0xff) * 16u + 8, lost);
    if (!first || !second) return std::unexpected(lost);
    return legacy_context(*first, *second, fault_disabled);
}

std::expected<Context, Fault> Translator::legacy_context(std::uint64_t low, std::uint64_t high,
                                                         bool& fault_disabled) {
    fault_disabled = (low & fault_disable) != 0;
    if ((low & 1) == 0) return std::unexpected(Fault{2, true});
    constexpr std::uint64_t low_reserved = 0xff0 | 0xfffull << 52;
    constexpr std::uint64_t high_reserved = 1 << 7 | ~std::uint64_t{0} << 24;
    if ((low & (low_reserved | beyond_host())) != 0 || (high & high_reserved) != 0) {
        complain(fmt::format("reserved bits in a context entry: {:#x} {:#x}", low, high));
        return std::unexpected(Fault{0xb, true});
    }
    Context context;
    Space& space = context.space;
    const unsigned type = low >> 2 & 3;
    space.domain = std::uint16_t(high >> 8);
    space.stage = type == 2 ? Stage::pass_through : Stage::second;
    space.second_table = type == 2 ? 0 : low & address_bits();
    space.second_levels = unsigned(high & 7) + 2;
    space.fault_disabled = fault_disabled;
    context.device_tlb = type == 1;
    const bool wide_enough = type != 2 || !features_.has_levels(space.second_levels + 1);
    const bool sound = type != 3 && (type != 1 || features_.device_tlb) &&
                       (type != 2 || features_.pass_through) && wide_enough &&
                       features_.has_levels(space.second_levels) &&
                       space.domain < features_.domains();
    if (sound) return context;
    complain(fmt::format("a context entry is not valid on this unit: {:#x} {:#x}", low, high));
    return std::unexpected(Fault{3, true});
}

void Translator::check_domain(const Space& space) {
    if (features_.caching_mode && space.domain == 0)
        complain("domain id 0 is used in caching mode, where it tags what is not present");
    if (caches_.conflicts(space))
        complain(
            fmt::format("domain id {} is used for one table while entries of another are "
                        "cached under it",
                        space.domain));
}

}  // namespace smmu::model::vtd

// SPDX-License-Identifier: Apache-2.0
// Stale: what was removed from the tables and may be in the unit's caches still. Entries leave only
// by the invalidation that the data sheet asks for; until then hardware may use them, walk on from
// them and cache anew what it finds there.
#pragma once

#include <optional>

#include "tests/e2e/judges/vtd_snapshot.hpp"

namespace smmu::test::vtd {

// An invalidation, whichever way it was asked for.
struct Invalidation {
    enum class Cache : std::uint8_t { context, pasid, translation } cache = Cache::context;
    enum class Scope : std::uint8_t { global = 1, domain = 2, selective = 3 } scope = Scope::global;
    std::uint16_t domain = 0;
    std::uint32_t source = 0;
    std::uint32_t ignored_source_bits = 0;
    std::uint64_t first = 0, last = 0;
    bool leaves_only = false;
    bool first_stage = false;  // tagged by PASID: nothing else forgets these
    bool is_scalable = false;
};

class Stale {
public:
    Stale(Memory memory, Capability capability) : memory_(memory), capability_(capability) {}

    bool empty() const {
        return contexts_.empty() && pasids_.empty() && tables_.empty() && leaves_.empty() &&
               missing_contexts_.empty() && missing_leaves_.empty();
    }
    std::string summary() const {
        std::string all;
        const auto add = [&](const char* what, const auto& list) {
            if (!list.empty())
                all += fmt::format("{}{} {}, first: {}", all.empty() ? "" : "; ", list.size(), what,
                                   text(list.front()));
        };
        add("contexts", contexts_);
        add("PASID entries", pasids_);
        add("tables", tables_);
        add("translations", leaves_);
        if (!missing_contexts_.empty())
            all += fmt::format("; cached as not present: context of {:#x}",
                               *missing_contexts_.begin());
        add("cached as not present", missing_leaves_);
        return all;
    }
    bool holds_domain(std::uint16_t domain) const {
        const auto is_of = [&](const auto& entry) { return entry.domain == domain; };
        const auto is_of_context = [&](const Context& c) { return c.domain() == domain; };
        return std::ranges::any_of(tables_, is_of) || std::ranges::any_of(leaves_, is_of) ||
               std::ranges::any_of(contexts_, is_of_context) ||
               std::ranges::any_of(pasids_, is_of_context);
    }

    // The tables changed from `before` to `now` while translation was on: what went is stale, what
    // the rules forbid becomes a finding.
    void change(const Snapshot& before, const Snapshot& now, std::vector<std::string>& findings) {
        const auto new_leaves = minus(now.leaves, before.leaves);
        const auto new_tables = minus(now.tables, before.tables);
        append(contexts_, minus(before.contexts, now.contexts));
        append(pasids_, scalable_of(minus(before.contexts, now.contexts)));
        append(tables_, minus(before.tables, now.tables));
        append(leaves_, minus(before.leaves, now.leaves));
        if (capability_.caching_mode()) note_missing(before, now, new_leaves);
        forget_current(now);
        drop_contents();
        check_break_before_make(new_leaves, new_tables, findings);
        check_domains(now, findings);
        for (const Table& table : tables_) {
            const auto old = before.contents.find(table.frame);
            if (old != before.contents.end()) contents_.emplace(table.frame, old->second);
        }
        check_reuse(findings);
        close_over(now);
    }

    void apply(const Invalidation& what, const Snapshot& now) {
        if (what.cache == Invalidation::Cache::context)
            apply_to_contexts(what);
        else if (what.cache == Invalidation::Cache::pasid)
            apply_to_pasids(what);
        else
            apply_to_translations(what);
        close_over(now);
        drop_contents();
    }

private:
    template <class T>
    static void append(std::vector<T>& to, const std::vector<T>& from) {
        to.insert(to.end(), from.begin(), from.end());
        sort_unique(to);
    }
    static std::vector<Context> scalable_of(std::vector<Context> contexts) {
        std::erase_if(contexts, [](const Context& c) { return !c.is_scalable(); });
        return contexts;
    }
    void forget_current(const Snapshot& now) {
        contexts_ = minus(contexts_, now.contexts);
        pasids_ = minus(pasids_, now.contexts);
        tables_ = minus(tables_, now.tables);
        leaves_ = minus(leaves_, now.leaves);
    }
    void drop_contents() {
        std::erase_if(contents_, [&](const auto& entry) {
            return std::ranges::none_of(tables_,
                                        [&](const Table& t) { return t.frame == entry.first; });
        });
    }
    void note_missing(const Snapshot& before, const Snapshot& now,
                      const std::vector<Leaf>& new_leaves) {
        const auto has = [](const Snapshot& s, std::uint32_t source) {
            return std::ranges::any_of(s.contexts,
                                       [&](const Context& c) { return c.source == source; });
        };
        for (const Context& context : now.contexts)
            if (!has(before, context.source)) missing_contexts_.insert(context.source);
        for (const Leaf& leaf : new_leaves) {
            const bool was_there = std::ranges::any_of(before.leaves, [&](const Leaf& old) {
                return old.domain == leaf.domain && old.first <= leaf.first &&
                       leaf.last <= old.last;
            });
            if (!was_there) missing_leaves_.push_back(leaf);
        }
        std::erase_if(missing_contexts_, [&](std::uint32_t source) { return !has(now, source); });
        std::erase_if(missing_leaves_, [&](const Leaf& l) {
            return !std::binary_search(now.leaves.begin(), now.leaves.end(), l);
        });
    }

    void check_break_before_make(const std::vector<Leaf>& leaves, const std::vector<Table>& tables,
                                 std::vector<std::string>& findings) const {
        for (const Leaf& leaf : leaves)
            for (const Leaf& old : leaves_) {
                if (old.domain != leaf.domain || old.last < leaf.first || leaf.last < old.first)
                    continue;
                const bool same =
                    old.first == leaf.first && old.last == leaf.last && old.frame == leaf.frame;
                if (!same)
                    findings.push_back("no invalidation between " + text(old) + " and " +
                                       text(leaf));
            }
        for (const Table& table : tables)
            for (const Table& old : tables_)
                if (old.domain == table.domain && old.level == table.level &&
                    old.base == table.base && old.frame != table.frame)
                    findings.push_back("no invalidation between " + text(old) + " and " +
                                       text(table));
    }
    void check_domains(const Snapshot& now, std::vector<std::string>& findings) const {
        for (const Context& context : now.contexts) {
            if (context.type() != 0) continue;
            const auto is_other = [&](const Context& other) {
                return other.type() == 0 && other.domain() == context.domain() &&
                       (other.root() != context.root() || other.levels() != context.levels());
            };
            if (std::ranges::any_of(now.contexts, is_other))
                findings.push_back("two roots in the domain of " + text(context));
            if (std::ranges::any_of(contexts_, is_other) || std::ranges::any_of(pasids_, is_other))
                findings.push_back("the domain may be cached with another root: " + text(context));
            for (const Table& table : tables_)
                if (table.domain == context.domain() && table.level == context.levels() &&
                    table.frame != context.root())
                    findings.push_back("the domain may be cached with " + text(table) + ": " +
                                       text(context));
        }
    }
    // A frame that a cached pointer may lead to holds what it held, or less.
    void check_reuse(std::vector<std::string>& findings) const {
        for (const Context& context : scalable_of(contexts_)) {
            Snapshot unused;
            Context found = context;
            Walker(memory_, capability_, unused).resolve(found);
            if (found != context)
                findings.push_back("PASID tables are used anew while a pointer to them may be cached: " +
                                   text(context));
        }
        for (const auto& [frame, old] : contents_) {
            const Words now = memory_.page(frame);
            for (std::size_t i = 0; i < now.size(); ++i)
                if ((now[i] & 3) != 0 && now[i] != old[i]) {
                    findings.push_back(fmt::format(
                        "frame {:#x} is used anew (entry {} {:#x}, was {:#x}) while a pointer "
                        "to it may be cached",
                        frame, i, now[i], old[i]));
                    break;
                }
        }
    }
    // Hardware walks on from what it has cached.
    void close_over(const Snapshot& now) {
        Snapshot found;
        Walker walker(memory_, capability_, found);
        // A cached context fills the PASID cache again.
        append(pasids_, minus(scalable_of(contexts_), now.contexts));
        for (const Context& context : contexts_) walker.walk_stale(context);
        for (const Context& context : pasids_) walker.walk_stale(context);
        for (const Table& table : tables_) walker.walk_stale(table);
        walker.finish();
        append(tables_, minus(found.tables, now.tables));
        append(leaves_, minus(found.leaves, now.leaves));
    }

    void apply_to_contexts(const Invalidation& what) {
        const auto is_meant = [&](std::uint32_t source, std::uint16_t domain) {
            if (what.scope == Invalidation::Scope::global) return true;
            const bool is_source = (source & ~what.ignored_source_bits) ==
                                   (what.source & ~what.ignored_source_bits);
            // Contexts of scalable mode name no domain.
            if (what.is_scalable) return what.scope == Invalidation::Scope::selective && is_source;
            if (what.domain != domain) return false;
            return what.scope == Invalidation::Scope::domain || is_source;
        };
        std::erase_if(contexts_, [&](const Context& c) { return is_meant(c.source, c.domain()); });
        std::erase_if(missing_contexts_, [&](std::uint32_t source) { return is_meant(source, 0); });
    }
    void apply_to_pasids(const Invalidation& what) {
        std::erase_if(pasids_, [&](const Context& c) {
            return what.scope == Invalidation::Scope::global || c.domain() == what.domain;
        });
    }
    void apply_to_translations(const Invalidation& what) {
        const auto is_of = [&](const auto& entry) {
            return entry.domain == what.domain && entry.first_stage == what.first_stage;
        };
        if (what.scope != Invalidation::Scope::selective) {
            const auto is_meant = [&](const auto& entry) {
                return what.scope == Invalidation::Scope::global || is_of(entry);
            };
            std::erase_if(tables_, is_meant);
            std::erase_if(leaves_, is_meant);
            std::erase_if(missing_leaves_, is_meant);
            return;
        }
        if (!what.leaves_only)
            std::erase_if(tables_, [&](const Table& t) {
                return is_of(t) && t.base <= what.last && what.first <= t.last();
            });
        cut(leaves_, what);
        cut(missing_leaves_, what);
    }
    // Hardware may hold a large translation in pieces: what is not covered stays.
    static void cut(std::vector<Leaf>& leaves, const Invalidation& what) {
        std::vector<Leaf> left;
        for (const Leaf& leaf : leaves) {
            if (leaf.domain != what.domain || leaf.first_stage != what.first_stage ||
                leaf.last < what.first || what.last < leaf.first) {
                left.push_back(leaf);
                continue;
            }
            if (leaf.first < what.first)
                left.push_back({leaf.domain, leaf.first, what.first - 1, leaf.frame,
                                leaf.permissions, leaf.first_stage});
            if (what.last < leaf.last)
                left.push_back({leaf.domain, what.last + 1, leaf.last,
                                leaf.frame + (what.last + 1 - leaf.first), leaf.permissions,
                                leaf.first_stage});
        }
        sort_unique(left);
        leaves = std::move(left);
    }

    Memory memory_;
    Capability capability_;
    std::vector<Context> contexts_;
    std::vector<Context> pasids_;  // what they led to, in the cache of PASID entries
    std::vector<Table> tables_;
    std::vector<Leaf> leaves_;
    std::set<std::uint32_t> missing_contexts_;  // caching mode: may be cached as not present
    std::vector<Leaf> missing_leaves_;
    std::map<std::uint64_t, Words> contents_;  // of stale tables when they became stale
};

}  // namespace smmu::test::vtd

# SPDX-License-Identifier: Apache-2.0
# Software models of hardware that QEMU lacks: tests/models/NAME/model/ is the library smmu_model_NAME, which a
# test's `rooms` names as model/NAME. What all models share is in model/common. Without tests a model is built only for whom it
# is asked for by name: ./demo.
set(smmu_models_when "")
if(NOT SMMU_TESTS)
  set(smmu_models_when EXCLUDE_FROM_ALL)
endif()

function(smmu_model name)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/models/${name}/model/*.cpp")
  add_library(smmu_model_${name} STATIC ${smmu_models_when} ${sources})
  target_include_directories(smmu_model_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(smmu_model_${name} PUBLIC ${ARGN} smmu_board nlohmann_json::nlohmann_json smmu_options)
  smmu_precompile(smmu_model_${name} smmu_report)
endfunction()

smmu_model(common)
smmu_model(vtd smmu_model_common)
smmu_model(mmu500 smmu_model_common ${LIBFDT})
smmu_model(rcar smmu_model_common ${LIBFDT})

# smmu_model_program(NAME): the model as a board of its own, smmu-model-NAME, in the place of smmu-board.
function(smmu_model_program name)
  add_executable(smmu-model-${name} ${smmu_models_when} "${PROJECT_SOURCE_DIR}/tests/models/${name}/program/main.cpp")
  target_link_libraries(smmu-model-${name} PRIVATE smmu_model_${name})
endfunction()

smmu_model_program(vtd)
smmu_model_program(mmu500)
smmu_model_program(rcar)

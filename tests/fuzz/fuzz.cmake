# Fuzz targets: tests/fuzz/fuzz_NAME.c. In the preset `fuzz` they are linked with libFuzzer; in every
# build each is a test that replays its corpus, tests/fuzz/corpus/NAME.
option(FUZZ "Link the fuzz targets with libFuzzer (needs clang)" OFF)
file(GLOB FUZZ_TARGETS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
if(NOT WIREDTIGER_FOUND) # it compares the two stores
  list(REMOVE_ITEM FUZZ_TARGETS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_stores.c)
endif()
add_library(fuzz_grammar STATIC tests/fuzz/grammar.c tests/fuzz/grammar_command.c
  tests/fuzz/steps.c)
target_link_libraries(fuzz_grammar PUBLIC engine)
target_include_directories(fuzz_grammar PUBLIC ${CMAKE_SOURCE_DIR}/tests/fuzz)
foreach(file IN LISTS FUZZ_TARGETS)
  get_filename_component(target ${file} NAME_WE)
  string(REPLACE "fuzz_" "" name ${target})
  if(FUZZ)
    add_executable(${target} ${file})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${target} ${file} tests/fuzz/replay.c)
    add_test(NAME ${target} COMMAND ${target} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(${target} PROPERTIES LABELS "engine;fuzz" TIMEOUT 600)
  endif()
  target_link_libraries(${target} PRIVATE fuzz_grammar)
endforeach()
if(FUZZ)
  target_compile_options(engine PUBLIC -fsanitize=fuzzer-no-link)
endif()

# Hostile messages are built from the same grammar; a million of them by label.
target_link_libraries(test_hostile PRIVATE fuzz_grammar)
add_test(NAME test_hostile_million COMMAND test_hostile)
set_tests_properties(test_hostile_million PROPERTIES LABELS "long" TIMEOUT 3600
  ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;MONGOC_DISABLE_SHM=1;RACEBENCH_HOSTILE_MESSAGES=1000000;RACEBENCH_HOSTILE_CONNECTIONS=10000")

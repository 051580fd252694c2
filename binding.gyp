{
  # For node-gyp and prebuildify, which expect this file: all it does is run the build script, which knows best
  # whether there is anything to do. The output is never made, so that it is always asked.
  "targets": [
    {
      "target_name": "punie",
      "type": "none",
      "actions": [
        {
          "action_name": "build_with_cmake",
          "inputs": ["<(module_root_dir)/scripts/build-native.mjs"],
          "outputs": ["<(PRODUCT_DIR)/.always"],
          "action": ["node", "<(module_root_dir)/scripts/build-native.mjs", "--copy-to", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
